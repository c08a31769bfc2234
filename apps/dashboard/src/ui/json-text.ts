/** JSON as text, so that no number loses a digit: a JavaScript number holds 53 bits, JSON any number. */

/** The text of each member of the object that `json` is, as it was written. @param json valid JSON of an object */
export function memberTexts(json: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(json, json.indexOf('{') + 1);
  while (at < json.length && json[at] !== '}') {
    const nameEnd = endOfString(json, at);
    const name = JSON.parse(json.slice(at, nameEnd)) as string;
    const start = skipSpace(json, json.indexOf(':', nameEnd) + 1);
    const end = endOfValue(json, start);
    members.set(name, json.slice(start, end).trimEnd());
    at = skipSpace(json, end);
    if (json[at] === ',') at = skipSpace(json, at + 1);
  }
  return members;
}

/** The same JSON over several lines. */
export function indented(json: string): string {
  let text = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (let at = 0; at < json.length;) {
    const char = json[at] as string;
    if (char === '"') {
      const end = endOfString(json, at);
      text += json.slice(at, end);
      at = end;
      continue;
    }
    at += 1;
    if (/\s/.test(char)) continue;
    if (char === '{' || char === '[') {
      const next = skipSpace(json, at);
      if (json[next] === '}' || json[next] === ']') {
        text += `${char}${json[next]}`;
        at = next + 1;
      } else {
        depth += 1;
        text += `${char}${line()}`;
      }
    } else if (char === '}' || char === ']') {
      depth -= 1;
      text += `${line()}${char}`;
    } else if (char === ',') text += `,${line()}`;
    else if (char === ':') text += ': ';
    else text += char;
  }
  return text;
}

/** Whether a value that was read by `JSON.parse` may have lost digits. */
export function mayBeRounded(value: unknown): boolean {
  if (typeof value === 'number')
    return Math.abs(value) > Number.MAX_SAFE_INTEGER || !isShort(value);
  if (Array.isArray(value)) return value.some(mayBeRounded);
  return typeof value === 'object' && value !== null && Object.values(value).some(mayBeRounded);
}

/** Up to 15 digits are what they were in the text. */
function isShort(value: number): boolean {
  return (
    String(Math.abs(value))
      .replace(/e.*|\D/g, '')
      .replace(/^0+/, '').length <= 15
  );
}

function skipSpace(json: string, at: number): number {
  while (/\s/.test(json[at] ?? '')) at += 1;
  return at;
}

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"' && at < json.length) at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const char = json[at];
    if (char === '"') {
      at = endOfString(json, at);
      continue;
    }
    if (char === '{' || char === '[') depth += 1;
    if (char === '}' || char === ']') {
      if (depth === 0) return at;
      depth -= 1;
    }
    if (char === ',' && depth === 0) return at;
    at += 1;
  }
  return at;
}
