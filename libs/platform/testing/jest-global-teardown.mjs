export default async function tearDown() {
  await globalThis.spooledSharedServers?.stop();
}
