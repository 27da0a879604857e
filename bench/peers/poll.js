// Polls each device in a loop of its own and publishes the registers: a message a poll, QoS 0.
//
// Usage: node poll.js MQTT_PORT EVERY_MS REGISTERS HOST:PORT...     (EVERY_MS 0: at once)
// NODE_PATH names the folder with modbus-serial and mqtt.

const Modbus = require("modbus-serial");
const mqtt = require("mqtt");

const [port, everyMs, registers, ...addresses] = process.argv.slice(2);
const every = Number(everyMs);

async function poll(number, address, broker) {
  const [host, devicePort] = address.split(":");
  const device = new Modbus();
  await device.connectTCP(host, { port: Number(devicePort) });
  device.setID(1);
  let due = Date.now();
  for (;;) {
    const answer = await device.readHoldingRegisters(0, Number(registers));
    broker.publish(`node/${number}`, JSON.stringify(answer.data));
    if (every > 0) {
      due = Math.max(due + every, Date.now());
      await new Promise((resume) => setTimeout(resume, due - Date.now()));
    }
  }
}

const broker = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
broker.on("connect", () => addresses.forEach((address, number) => poll(number, address, broker)));
process.on("unhandledRejection", (reason) => {
  console.error(reason);
  process.exit(1);
});
