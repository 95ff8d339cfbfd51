// The npm client kafka-connect-client against one hub: what its users do, with answers checked on the way.
//
// Arguments: port, file to read, topic. Prints one line of JSON with what it saw.

import { KafkaConnectClient } from "kafka-connect-client";

const LIMIT_MS = 60_000;

// Asks until the answer is true, within a bound.
async function until(what, ask) {
  const end = Date.now() + LIMIT_MS;
  while (Date.now() < end) {
    const seen = await ask();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not happen within ${LIMIT_MS} ms`);
}

const [port, file, topic] = process.argv.slice(2);
const client = new KafkaConnectClient({ host: "127.0.0.1", port: Number(port) });
const config = {
  "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
  "tasks.max": "1",
  file,
  topic,
};
const connector = client.connector("js");
const states = async () => {
  const status = (await connector.getStatus()).data;
  return [status.connector, ...status.tasks].map((one) => one.state).join();
};
const reaches = (wanted) => until(wanted, async () => (await states()) === wanted);

const seen = { version: (await client.getCluster()).data.version };
seen.created = (await client.createConnector("js", config)).status;
await reaches("RUNNING,RUNNING");
seen.connectors = (await client.getConnectors()).data;
seen.type = (await connector.get()).data.type;
await until("offsets", async () => (await connector.getOffsets()).data.offsets.length === 1);
await connector.pause();
await reaches("PAUSED,PAUSED");
await connector.resume();
await reaches("RUNNING,RUNNING");
seen.restarted = (await connector.restart()).status;
await reaches("RUNNING,RUNNING");
await connector.restartTask(0);
await reaches("RUNNING,RUNNING");
seen.task = (await connector.getTaskStatus(0)).data.id;
seen.updated = (await connector.updateConfig({ ...config, "batch.size": "7" })).data.config["batch.size"];
await reaches("RUNNING,RUNNING");
seen.errors = (await client.validateConnectorConfig("FileStreamSource", { ...config, name: "js", topic: "" })).data.error_count;
await connector.stop();
await reaches("STOPPED");
const offsets = (await connector.getOffsets()).data.offsets;
offsets[0].offset.position = 2;
await connector.alterOffsets(offsets);
seen.altered = (await connector.getOffsets()).data.offsets[0].offset.position;
await connector.resetOffsets();
seen.reset = (await connector.getOffsets()).data.offsets;
await connector.resetTopics();
seen.sources = (await client.getConnectorPlugins()).data.filter((plugin) => plugin.type === "source").length > 0;
seen.deleted = (await connector.delete()).status;
seen.left = (await client.getConnectors()).data;
try {
  await connector.get();
} catch (error) {
  seen.gone = error.response.data;
}
console.log(JSON.stringify(seen));
