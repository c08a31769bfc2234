export interface Welcome {
  readonly port: number;
  readonly grpcPort: number;
  /** Where the key may have been kept. */
  readonly keyFile: string;
  /** Null: it was shown at an earlier start. */
  readonly apiKey: string | null;
}

/** What a newcomer reads when the server is up: where it is, and three lines to see it live. */
export function welcome({ port, grpcPort, keyFile, apiKey }: Welcome): string {
  const baseUrl = `http://localhost:${port}`;
  const api = `${baseUrl}/api/v1`;
  const lines = [
    '',
    `Spooled is ready:  ${baseUrl}`,
    `Dashboard:         ${baseUrl}/ (sign in with the API key)`,
    `gRPC:              localhost:${grpcPort}`,
    `API reference:     ${baseUrl}/docs`,
    '',
  ];
  if (apiKey === null) {
    lines.push(
      `The demo organization and its API key are those of the first start; see ${keyFile}, which production does not write.`,
      'To begin anew, stop, remove the data directory, and start again.',
      '',
    );
    return lines.join('\n');
  }
  const auth = `-H "Authorization: Bearer ${apiKey}"`;
  const post = `curl -s ${auth} -H "Content-Type: application/json"`;
  lines.push(
    `API key of the demo organization (shown this once):  ${apiKey}`,
    '',
    '1. In a second terminal, watch:',
    '',
    `curl -N ${auth} ${api}/events`,
    '',
    '2. Here in another one, enqueue a job:',
    '',
    `JOB=$(${post} ${api}/jobs -d '{"queue_name":"emails","payload":{"to":"you@example.com"}}' | cut -d'"' -f4); echo $JOB`,
    '',
    '3. Be its worker: claim it, then complete it:',
    '',
    `${post} ${api}/jobs/claim -d '{"queue_name":"emails","worker_id":"me"}' && ${post} ${api}/jobs/$JOB/complete -d '{"worker_id":"me","result":{"sent":true}}'`,
    '',
  );
  return lines.join('\n');
}
