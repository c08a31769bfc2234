import { errorCatalogue } from './errors.js';

const intro = `# Errors

Made from \`libs/contracts/src/errors.ts\` by \`node tools/generate-docs.mjs\`; a test keeps the two equal.

Every refusal is JSON: \`{"code": "NOT_FOUND", "message": "…", "error": "…"}\`. Decide by \`code\`; \`message\` is for people
and may change. \`VALIDATION_ERROR\` adds \`details\`, one \`{"field", "message", "code"}\` per refused field. \`QUOTA_EXCEEDED\`
adds \`resource\`, \`current\`, \`limit\`, \`plan\` and, when a larger plan helps, \`upgrade_to\`. \`RATE_LIMIT_EXCEEDED\` adds
\`retry_after_secs\`, \`limit\`, \`remaining\` and \`reset_at\`. When waiting is enough, \`Retry-After\` says how long, in seconds.

"Again" means that the same request may succeed later without being changed.
`;

/** `docs/errors.md`: the catalogue for people, formatted as Prettier would. */
export function errorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { status, grpc, retryable, sentence }]) => [
      `\`${code}\``,
      String(status),
      `\`${grpc}\``,
      retryable ? 'yes' : 'no',
      sentence,
    ],
  );
  return `${intro}\n${table(['Code', 'HTTP', 'gRPC', 'Again', 'Meaning'], rows)}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('');
}
