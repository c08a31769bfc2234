/** A named SQL statement. The name is its prepared-statement name and the comment that statistics show. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export function sql(name: string, text: string): Statement {
  return Object.freeze({ name, text: `/* ${name} */ ${text.trim()}` });
}
