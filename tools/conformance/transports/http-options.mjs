/**
 * How a stream is asked for over HTTP: `{ credential, authBy, queue, jobId, workerId, events, lastEventId, query, headers }`.
 * `authBy` is where the credential goes: `bearer` (default), `x-api-key`, `token`, `api_key`, `ticket` or `none`.
 */
export function headersOf({ credential, authBy = 'bearer', headers = {} }) {
  if (authBy === 'bearer') return { authorization: `Bearer ${credential}`, ...headers };
  if (authBy === 'x-api-key') return { 'x-api-key': credential, ...headers };
  return headers;
}

export function queryOf(options) {
  const { credential, authBy, queue, jobId, workerId, events, lastEventId, query = {} } = options;
  const isInQuery = ['token', 'api_key', 'ticket'].includes(authBy);
  const given = {
    queue,
    job_id: jobId,
    worker_id: workerId,
    events: events?.join(','),
    last_event_id: lastEventId,
    ...(isInQuery ? { [authBy]: credential } : {}),
    ...query,
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`;
}
