"""The PyPI client kafka-connect-py against one hub: what its users do, with answers checked on the way.

Arguments: URL, file to read, topic. Prints one line of JSON with what it saw.
"""

import json
import sys
import time

from kafka_connect import KafkaConnect

LIMIT_S = 60


def until(what, ask):
    """Asks until the answer is true, within a bound."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        seen = ask()
        if seen:
            return seen
        time.sleep(0.02)
    raise SystemExit(f"{what} did not happen within {LIMIT_S} s")


def states(client, name):
    status = client.get_connector_status(name)
    return [status["connector"]["state"]] + [task["state"] for task in status["tasks"]]


def main(url, file, topic):
    client = KafkaConnect(url=url)
    seen = {"version": client.get_cluster_info()["version"]}
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "file": file,
        "topic": topic,
    }
    client.create_connector({"name": "py", "config": config})
    until("running", lambda: states(client, "py") == ["RUNNING", "RUNNING"])
    seen["connectors"] = client.list_connectors()
    seen["config"] = client.get_connector_config("py")
    client.pause_connector("py")
    until("paused", lambda: states(client, "py") == ["PAUSED", "PAUSED"])
    client.resume_connector("py")
    until("resumed", lambda: states(client, "py") == ["RUNNING", "RUNNING"])
    client.restart_connector("py", include_tasks=True)
    until("restarted", lambda: states(client, "py") == ["RUNNING", "RUNNING"])
    client.update_connector("py", {**config, "batch.size": "7"})
    seen["updated"] = client.get_connector_config("py").get("batch.size")
    until("running again", lambda: states(client, "py") == ["RUNNING", "RUNNING"])
    seen["tasks"] = len(client.list_connector_tasks("py"))
    seen["plugins"] = [plugin["type"] for plugin in client.list_connector_plugins()]
    client.delete_connector("py")
    seen["left"] = client.list_connectors()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
