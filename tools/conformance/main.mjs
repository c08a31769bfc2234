/**
 * Checks a running server for the promises of docs/realtime.md, from outside: `npm run conformance -- --base-url
 * http://localhost:8080 --api-key sp_…`. One line per promise and a summary; ends with 1 when a promise is broken.
 */
import process from 'node:process';

import { readArguments, usage } from './arguments.mjs';
import { setPatience } from './patience.mjs';
import { checkAll } from './run.mjs';

let target;
try {
  target = readArguments(process.argv.slice(2));
} catch (error) {
  console.error(`${error.message}\n\n${usage}`);
  process.exit(2);
}
setPatience(target.patience);
const counts = await checkAll(target, console.log);
process.exit(counts.FAIL === 0 && counts.PASS > 0 ? 0 : 1);
