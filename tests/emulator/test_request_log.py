"""The log of requests, objects changed without a request, and many requests at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from pulumi_instances.testing.emulator import Emulator, Fault

from .conftest import Http


def test_the_log_has_every_request_in_order(api: Emulator, http: Http) -> None:
    """An entry has method, path, query, parsed body, status, user agent and times."""
    made = http.post(tags=["a"]).json()["id"]
    http("GET", params={"pageSize": "1"}, headers={"User-Agent": "me/1"})
    http("PUT", f"/instances/{made}", data=b"{", headers={"Content-Type": "application/json"})
    post, get, put = api.requests
    assert (post.method, post.path, post.status) == ("POST", "/instances", 200)
    assert post.body == {"your_mom": {"key": "dropbox"}, "name": "billing", "tags": ["a"]}
    assert (get.method, get.query, get.body, get.user_agent) == ("GET", {"pageSize": "1"}, None, "me/1")
    assert (put.path, put.status, put.body) == (f"/instances/{made}", 400, None)
    assert post.finished is not None
    assert post.started <= post.finished <= get.started
    assert api.writes == [post, put]


def test_the_log_holds_no_secret_of_the_authorization_header(api: Emulator, http: Http) -> None:
    """Headers are not kept."""
    http.post()
    assert api.user_secret not in repr(api.requests)
    assert api.organization_secret not in repr(api.requests)


def test_what_a_test_does_behind_the_back_is_not_in_the_log(api: Emulator, http: Http) -> None:
    """It is visible in answers, and nowhere else."""
    kept, gone = api.add(name="kept"), api.add()
    api.change(str(kept), name="renamed", tags=["x"], disabled=True, token="other")
    api.remove(str(gone))
    assert api.requests == []
    answer = http("GET", f"/instances/{kept}").json()
    assert (answer["name"], answer["tags"], answer["disabled"], answer["token"]) == ("renamed", ["x"], True, "other")
    assert [each["id"] for each in api.instances()] == [kept]


def test_an_object_as_held_has_the_names_of_the_model(api: Emulator, http: Http) -> None:
    """This is true after a POST and after `add`."""
    http.post()
    api.add()
    bags = {"configuration", "provider_data"}
    fields = {"id", "name", "token", "your_mom", "tags", "managed_by", "valid", "disabled", *bags}
    assert [each.keys() for each in api.instances()] == [fields, fields]
    assert api.instances()[0] == api.instance(str(api.instances()[0]["id"]))


def test_a_mark_is_shown_as_who_manages_the_instance(api: Emulator, http: Http) -> None:
    """It is not among the tags, in what answers say it is; and it stays when a test changes the tags."""
    mark = "pulumi:shop/dev/crm#abcdefghijklmn.0001"
    made, other = api.add(tags=["eu", mark]), api.add(tags=["eu"])
    assert [(each["tags"], each["managed_by"]) for each in api.instances()] == [
        (["eu"], "shop/dev/crm"),
        (["eu"], None),
    ]
    api.change(made, tags=["us"])
    api.change(other, tags=["us"])
    assert (api.instance(made)["tags"], api.instance(made)["managed_by"]) == (["us"], "shop/dev/crm")
    assert http("GET", f"/instances/{made}").json()["tags"] == ["us", mark]
    assert http("GET", f"/instances/{other}").json()["tags"] == ["us"]


def test_an_instance_that_is_not_there_is_a_key_error(api: Emulator) -> None:
    """Reading, changing and removing raise it."""
    for action in (api.instance, api.change, api.remove):
        with pytest.raises(KeyError):
            action(1)


def test_a_wrong_value_behind_the_back_is_refused(api: Emulator) -> None:
    """So a test learns of its mistake at once."""
    made = api.add()
    with pytest.raises(ValueError, match="nowhere"):
        api.add(your_mom="nowhere")
    with pytest.raises(TypeError, match="colour"):
        api.add(colour="red")
    with pytest.raises(TypeError, match="your_mom"):
        api.change(made, your_mom="box")


def test_reset_forgets_instances_faults_codes_and_log(api: Emulator, http: Http) -> None:
    """Secrets stay, so that a client can go on."""
    http.post(providerData={"code": "c"})
    api.fail("GET", None, Fault.status(503))
    api.reset()
    assert (api.instances(), api.requests) == ([], [])
    assert api.peak() == 0
    assert http("GET").json() == []
    assert http.post(providerData={"code": "c"}).status_code == 200


def test_a_request_from_before_a_reset_does_not_count(
    api: Emulator, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client has gone. The emulator waits on, while the next test begins, and then has nobody to drop."""
    api.fail("POST", None, Fault.delay(0.6))
    with pytest.raises(requests.Timeout):
        http("POST", json={"your_mom": {"key": "box"}, "name": "x"}, timeout=0.2)
    api.reset()
    http.post()
    assert (api.peak(), api.peak("POST")) == (1, 1)
    api.fail("GET", None, Fault.delay(1.2))
    http("GET")  # it is answered after the wait of the first is over
    assert len(api.instances()) == 1
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_peak_counts_requests_in_flight_at_once(api: Emulator) -> None:
    """It counts those of one method or of all. Requests that wait do not block each other."""
    api.fail(None, None, Fault.delay(0.5), times=6)
    barrier = threading.Barrier(6)

    def request(method: str) -> None:
        http = Http(api)
        with http.session:
            barrier.wait()
            http(method, json={"your_mom": {"key": "box"}, "name": "x"})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(request, ["POST", "POST", "POST", "POST", "GET", "GET"]))
    assert (api.peak(), api.peak("POST"), api.peak("GET")) == (6, 4, 2)


def test_latency_holds_up_each_request_and_not_the_others() -> None:
    """Ten requests at once are all in flight together."""
    with Emulator(latency=0.3) as api:

        def get(_number: int) -> int:
            http = Http(api)
            with http.session:
                return http("GET").status_code

        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(get, range(10))) == [200] * 10
        assert api.peak() == 10
        assert all((request.finished or 0) - request.started >= 0.3 for request in api.requests)


def test_sixteen_threads_get_unique_rising_ids(api: Emulator) -> None:
    """Nothing is lost, even when other threads make changes at the same time."""

    def work(number: int) -> list[int]:
        http = Http(api)
        made = []
        with http.session:
            for turn in range(10):
                made.append(http.post(name=f"{number}-{turn}").json()["id"])
                api.change(made[-1], tags=[str(turn)])
                assert http("PUT", f"/instances/{made[-1]}", json={"name": f"{number}"}).status_code == 200
        return made

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(16)))
    assert all(made == sorted(made) for made in found)
    assert len({each for made in found for each in made}) == 160
    assert all(each["tags"] and "-" not in each["name"] for each in api.instances())


def test_one_oauth_code_makes_one_instance_under_concurrency(api: Emulator) -> None:
    """Exactly one of many simultaneous creates wins, and the others make nothing."""

    def post(_number: int) -> int:
        http = Http(api)
        with http.session:
            return http.post(providerData={"code": "one"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(post, range(8)))
    assert statuses == [200] + [400] * 7
    assert len(api.instances()) == 1
