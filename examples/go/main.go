package main

import (
	"git.example.com/pulumi-instances/sdk/go/instances"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		crm, err := instances.NewInstance(ctx, "crm", &instances.InstanceArgs{
			YourMom: pulumi.String("sfdc"),
			Tags:    pulumi.ToStringArray([]string{"quickstart"}),
		}, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "5m"}))
		if err != nil {
			return err
		}
		files := instances.LookupInstanceOutput(ctx, instances.LookupInstanceOutputArgs{
			Name: pulumi.String("Team files"),
		})
		ctx.Export("id", crm.ID())
		ctx.Export("token", crm.Token) // a secret
		ctx.Export("filesToken", files.Token())
		return nil
	})
}
