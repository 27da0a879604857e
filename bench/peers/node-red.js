// Node-RED in this process, with a flow of a Modbus read and an MQTT output for each device.
//
// Usage: node node-red.js FOLDER MQTT_PORT EVERY_MS REGISTERS HOST:PORT...     (at least 1 ms)
// FOLDER takes its settings; PEERS names the folder where `install` put node_modules.

const fs = require("fs");
const path = require("path");

const [folder, port, everyMs, registers, ...addresses] = process.argv.slice(2);
const modules = path.join(process.env.PEERS, "node_modules");

const flow = [
  { id: "tab", type: "tab", label: "poll" },
  { id: "broker", type: "mqtt-broker", name: "", broker: "127.0.0.1", port, clientid: "", autoConnect: true,
    usetls: false, protocolVersion: "5", keepalive: "60", cleansession: true },
];
addresses.forEach((address, number) => {
  const [host, devicePort] = address.split(":");
  flow.push(
    { id: `client${number}`, type: "modbus-client", name: address, clienttype: "tcp", bufferCommands: true,
      stateLogEnabled: false, queueLogEnabled: false, failureLogEnabled: true, tcpHost: host,
      tcpPort: devicePort, tcpType: "DEFAULT", serialPort: "", serialType: "RTU", serialBaudrate: "9600",
      serialDatabits: "8", serialStopbits: "1", serialParity: "none", serialConnectionDelay: "100",
      serialAsciiResponseStartDelimiter: "", unit_id: "1", commandDelay: "1", clientTimeout: "1000",
      reconnectOnTimeout: true, reconnectTimeout: "2000", parallelUnitIdsAllowed: true, showErrors: true },
    { id: `read${number}`, type: "modbus-read", z: "tab", name: "", topic: "", showStatusActivities: false,
      logIOActivities: false, showErrors: true, unitid: "1", dataType: "HoldingRegister", adr: "0",
      quantity: registers, rate: everyMs, rateUnit: "ms", delayOnStart: false, startDelayTime: "",
      server: `client${number}`, useIOFile: false, ioFile: "", useIOForPayload: false, emptyMsgOnFail: false,
      x: 200, y: 40 * number, wires: [[`out${number}`], []] },
    { id: `out${number}`, type: "mqtt out", z: "tab", name: "", topic: `node-red/${number}`, qos: "0",
      retain: "false", broker: "broker", x: 500, y: 40 * number, wires: [] },
  );
});
fs.writeFileSync(path.join(folder, "flows.json"), JSON.stringify(flow));
fs.writeFileSync(
  path.join(folder, "settings.js"),
  `module.exports = ${JSON.stringify({
    flowFile: "flows.json",
    uiHost: "127.0.0.1",
    uiPort: 0,
    httpAdminRoot: false,
    httpNodeRoot: false,
    nodesDir: [path.join(modules, "node-red-contrib-modbus")],
    logging: { console: { level: "warn" } },
  })};`,
);
process.argv = [process.argv[0], "node-red", "--userDir", folder, "--settings", path.join(folder, "settings.js")];
require(path.join(modules, "node-red", "red.js"));
