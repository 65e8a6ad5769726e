"""A dynamic provider as tutorials show it: a class in the program, no session, the whole answer as state."""

import os

import requests
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult


def call(method, path, body=None):
    user, organization = os.environ["INSTANCES_USER_SECRET"], os.environ["INSTANCES_ORGANIZATION_SECRET"]
    headers = {"Authorization": f"User {user}, Organization {organization}"}
    response = requests.request(method, os.environ["INSTANCES_BASE_URL"] + path, json=body, headers=headers, timeout=60)
    response.raise_for_status()
    return response.json() if response.content else {}


class Provider(ResourceProvider):
    def create(self, props):
        body = {"your_mom": {"key": props["your_mom"]}, "name": props["name"], "tags": props["tags"]}
        answer = call("POST", "/instances", body)
        return CreateResult(str(answer["id"]), {**answer, **props})

    def read(self, id_, props):
        answer = call("GET", f"/instances/{id_}")
        return ReadResult(id_, {**props, **answer, "your_mom": props["your_mom"], "tags": sorted(answer["tags"])})

    def update(self, id_, olds, new):
        answer = call("PUT", f"/instances/{id_}", {"name": new["name"], "tags": new["tags"]})
        return UpdateResult({**olds, **answer, **new})

    def delete(self, id_, _props):
        call("DELETE", f"/instances/{id_}")


class Instance(Resource):
    def __init__(self, name, tags):
        props = {"your_mom": "dropbox", "name": name, "tags": tags, "token": None}
        super().__init__(Provider(), name, props, ResourceOptions(additional_secret_outputs=["token"]))


for number in range(int(os.environ["BENCH_COUNT"])):
    Instance(f"box-{number}", [os.environ["BENCH_TAG"]])
