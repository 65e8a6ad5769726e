import * as pulumi from "@pulumi/pulumi";
import * as instances from "@pulumi/instances";

/** A connection to a CRM, and one that relays what happens there. */
class Relay extends pulumi.ComponentResource {
    readonly token: pulumi.Output<string>;

    constructor(name: string, tags: pulumi.Input<string[]>, options?: pulumi.ComponentResourceOptions) {
        super("example:index:Relay", name, {}, options);
        const crm = new instances.Instance(
            `${name}-crm`,
            { yourMom: "sfdc", tags },
            { parent: this, customTimeouts: { create: "5m" } }, // bounds the whole create, its retries included
        );
        const hook = new instances.Instance(
            `${name}-hook`,
            { yourMom: "webhook", tags, configuration: { "upstream.token": crm.token } }, // stays a secret
            { parent: this },
        );
        this.token = hook.token;
        this.registerOutputs({ token: this.token });
    }
}

// An instance that others manage: its tags decide ours.
const files = instances.getInstanceOutput({ name: "Team files" });
export const token = new Relay("sales", files.tags).token;
