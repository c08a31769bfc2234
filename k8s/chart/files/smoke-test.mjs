/**
 * What `helm test` runs: enqueues a job, claims and completes it, and watches that happen over server-sent events; loads the
 * page and its script. AUTH_URL, JOBS_URL, EVENTS_URL: where the services are. PAGE_URL: the dashboard, where there is one.
 * API_KEY: of an organization for tests; or ADMIN_API_KEY, which makes one for this run and deletes it afterwards. Needs
 * Node 22 and nothing else.
 */
import { randomUUID } from 'node:crypto';
import process from 'node:process';

const { AUTH_URL, JOBS_URL, EVENTS_URL, PAGE_URL, API_KEY, ADMIN_API_KEY } = process.env;
const withinMs = 30_000;
const queue = `smoke-${randomUUID().slice(0, 8)}`;
const over = AbortSignal.timeout(withinMs);

if (PAGE_URL) await loadPage();
const organization = API_KEY ? undefined : await makeOrganization();
const headers = {
  authorization: `Bearer ${API_KEY ?? organization.key}`,
  'content-type': 'application/json',
};
try {
  const watched = await watch();
  const { id } = await call('POST', `${JOBS_URL}/api/v1/jobs`, headers, {
    queue_name: queue,
    payload: { from: 'smoke-test' },
  });
  const job = await claim();
  if (job.id !== id) throw new Error(`claimed the job ${job.id}, not ${id}`);
  await call('POST', `${JOBS_URL}/api/v1/jobs/${id}/complete`, headers, {
    worker_id: queue,
    lease_id: job.lease_id,
    result: { seen: true },
  });
  await watched.completed(id);
  console.log(`ok: job ${id} was enqueued, claimed, completed, and seen to complete`);
} finally {
  if (organization) await organization.remove();
}

/** As a browser does: the page, and what it begins with. */
async function loadPage() {
  const page = await get(`${PAGE_URL}/`, 'text/html');
  const [, script] = /<script[^>]* src="([^"]+)"/.exec(page) ?? [];
  if (script === undefined) throw new Error(`GET ${PAGE_URL}/ is not the dashboard:\n${page}`);
  await get(`${PAGE_URL}${script}`, 'text/javascript');
  console.log('ok: the dashboard loads');
}

async function get(url, type) {
  const response = await fetch(url, { headers: { accept: type }, signal: over });
  const text = await response.text();
  const given = response.headers.get('content-type') ?? '';
  if (response.ok && given.startsWith(type)) return text;
  throw new Error(`GET ${url}: ${response.status} ${given}\n${text}`);
}

async function claim() {
  const body = { queue_name: queue, worker_id: queue, wait_secs: 10 };
  const { jobs } = await call('POST', `${JOBS_URL}/api/v1/jobs/claim`, headers, body);
  if (jobs.length !== 1) throw new Error(`${jobs.length} jobs were claimed instead of 1`);
  return jobs[0];
}

/** Resolves when the stream is connected: whatever happens from now on is in it. */
async function watch() {
  const url = `${EVENTS_URL}/api/v1/events?queue=${queue}`;
  const response = await fetch(url, { headers, signal: over });
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`);
  const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = '';
  const until = async (pattern) => {
    while (!pattern.test(text)) {
      const { value, done } = await chunks.next();
      if (done) throw new Error(`the stream ended before ${pattern} was seen; it said:\n${text}`);
      text += value;
    }
  };
  await until(/^: connected/m);
  return {
    completed: async (id) => {
      await until(new RegExp(`event: job.completed[^]*"job_id":"${id}"[^]*\\n\\n`));
      await chunks.return();
    },
  };
}

async function makeOrganization() {
  const admin = { 'x-admin-key': ADMIN_API_KEY, 'content-type': 'application/json' };
  const url = `${AUTH_URL}/api/v1/admin/organizations`;
  const body = { name: 'Smoke test', slug: queue };
  const { organization: made, api_key } = await call('POST', url, admin, body);
  const remove = () => call('DELETE', `${url}/${made.id}?hard_delete=true`, admin);
  return { key: api_key.key, remove };
}

async function call(method, url, given, body) {
  const request = { method, headers: given, signal: AbortSignal.timeout(withinMs) };
  if (body === undefined) delete (request.headers = { ...given })['content-type'];
  else request.body = JSON.stringify(body);
  const response = await fetch(url, request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
