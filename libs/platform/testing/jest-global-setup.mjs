/** Offers the run's shared servers to test files; they start when first asked for. Needs `npm run build` once. */
import { SharedServers } from './dist/shared-servers.js';

export default async function setUp() {
  globalThis.spooledSharedServers = new SharedServers();
  await globalThis.spooledSharedServers.start();
}
