/** A log line as a person reads it, made from the JSON one: time, level, service, message, fields; a stack below. */
export function textLine(json: string): string {
  const { level, time, service, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const parts = [
    String(time),
    String(level).toUpperCase().padEnd(5),
    `${String(service)}:`,
    ...(msg === undefined ? [] : [JSON.stringify(msg).slice(1, -1)]),
    ...Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`),
  ];
  return `${parts.join(' ')}\n${stackOf(err)}`;
}

function stackOf(err: unknown): string {
  if (err === undefined) return '';
  const { stack } = (err ?? {}) as { stack?: unknown };
  const text = typeof stack === 'string' ? stack : JSON.stringify(err);
  return `${text.replaceAll(/^/gm, '    ')}\n`;
}
