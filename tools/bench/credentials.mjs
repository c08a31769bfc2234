import { createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest } from './http-load.mjs';

const KEYS = 1000;

/** A read with a key that is looked up for it, and the same read with a key that is known: what `auth.resolve` costs. */
export async function benchCredentials(environment, report) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `credentials-${Date.now()}`);
    const keys = [];
    await send({
      next: () =>
        keys.length < KEYS
          ? jsonRequest({ path: '/api/v1/api-keys', key, body: { name: 'bench' } })
          : null,
      onAnswer: (body) => keys.push(JSON.parse(body).key),
    });
    const read = (credential) =>
      jsonRequest({ method: 'GET', path: '/api/v1/queues', key: credential });
    // Until the code is compiled.
    for (let round = 0; round < 3; round += 1) await times(() => read(key));
    const known = await times(() => read(key));
    const unknown = await times((index) => read(keys[index]));
    report('a read with a key that is known', known);
    report('a read with a key that is looked up', unknown, [
      ['of 5 ms at p99 (inverse)', 5 / unknown.p99, 1],
    ]);
  } finally {
    await server.stop();
  }

  function times(request) {
    let sent = 0;
    return send({ next: () => (sent < KEYS ? request(sent++) : null) });
  }

  async function send(load) {
    const { p50, p99 } = await httpLoad({
      port: server.port,
      connections: 1,
      seconds: 60,
      ...load,
    });
    return { p50, p99 };
  }
}
