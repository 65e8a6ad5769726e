import * as pulumi from "@pulumi/pulumi";
import * as instances from "pulumi-instances";

/** A connection to a CRM, and one to a service desk that works with it. */
class Desk extends pulumi.ComponentResource {
    readonly token: pulumi.Output<string>;

    constructor(name: string, tags: pulumi.Input<string[]>, options?: pulumi.ComponentResourceOptions) {
        super("example:index:Desk", name, {}, options);
        const crm = new instances.Instance(
            `${name}-crm`,
            { yourMom: "sfdc", tags },
            { parent: this, customTimeouts: { create: "5m" } }, // bounds the whole create, its retries included
        );
        const desk = new instances.Instance(
            `${name}-desk`,
            { yourMom: "sfdcservicecloud", tags, configuration: { "upstream.token": crm.token } }, // stays a secret
            { parent: this },
        );
        this.token = desk.token;
        this.registerOutputs({ token: this.token });
    }
}

// An instance that others manage: its tags decide ours.
const files = instances.getInstanceOutput({ name: "Team files" });
export const token = new Desk("sales", files.tags).token;
