import { setTimeout as delay } from 'node:timers/promises';

import { Skip } from './assert.mjs';
import { Lab, transports } from './lab.mjs';
import { patient } from './patience.mjs';
import { commands } from './promises/commands.mjs';
import { credentials } from './promises/credentials.mjs';
import { entry } from './promises/entry.mjs';
import { events } from './promises/events.mjs';
import { filters } from './promises/filters.mjs';
import { reports } from './promises/reports.mjs';
import { resume } from './promises/resume.mjs';
import { views } from './promises/views.mjs';
import { Refusal } from './refusal.mjs';

const PROMISE_MS = 45_000;
const promises = [
  ...entry,
  ...events,
  ...filters,
  ...reports,
  ...resume,
  ...views,
  ...commands,
  ...credentials,
];

/** Checks every promise on every transport it is made for, and prints each as it is known. Answers the counts. */
export async function checkAll(target, print) {
  const checks = promises
    .flatMap((promise) => promise.transports.map((transport) => ({ promise, transport })))
    .map((each) => ({ ...each, line: lineOf(each) }))
    .filter(
      ({ line }) => target.only.length === 0 || target.only.some((text) => line.includes(text)),
    );
  const counts = { PASS: 0, FAIL: 0, SKIP: 0 };
  const waiting = [...checks];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { verdict, why } = await checkOne(target, next);
      counts[verdict] += 1;
      print(`${verdict} ${next.line}${why === undefined ? '' : `: ${why}`}`);
    }
  };
  await Promise.all(Array.from({ length: target.concurrency }, work));
  print(`\n${counts.PASS} passed, ${counts.FAIL} failed, ${counts.SKIP} skipped`);
  return counts;
}

function lineOf({ promise: { name, section }, transport }) {
  return `${transport} ${name} (${section})`;
}

async function checkOne(target, { promise, transport }) {
  if (transport === 'grpc' && target.grpcAddress === undefined) {
    return { verdict: 'SKIP', why: 'no --grpc-address' };
  }
  const available = transports.filter((each) => each !== 'grpc' || target.grpcAddress);
  const lab = new Lab(target);
  const abort = new AbortController();
  const longestMs = patient(PROMISE_MS);
  const tooLong = delay(longestMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`not done within ${longestMs / 1000} s`);
  });
  try {
    await Promise.race([promise.run(lab, transport, available), tooLong]);
    return { verdict: 'PASS' };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const isSkipped = error instanceof Skip || isTooSmallAPlan(error);
    return { verdict: isSkipped ? 'SKIP' : 'FAIL', why: why.replaceAll('\n', ' ') };
  } finally {
    tooLong.catch(() => undefined);
    abort.abort();
    await lab.cleanUp();
  }
}

/** What the organization has not paid for says nothing about the server. */
function isTooSmallAPlan(error) {
  return error instanceof Refusal && ['QUOTA_EXCEEDED', 'FEATURE_DISABLED'].includes(error.code);
}
