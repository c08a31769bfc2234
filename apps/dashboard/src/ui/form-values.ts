/** What was typed into a form, and what is wrong with it. */
export class FormValues {
  constructor(private readonly data: FormData) {}

  text(name: string): string {
    const value = this.data.get(name);
    return typeof value === 'string' ? value.trim() : '';
  }

  /** Undefined when nothing was typed. */
  optional(name: string): string | undefined {
    return this.text(name) || undefined;
  }

  /** Undefined when nothing was typed. */
  number(name: string): number | undefined {
    const text = this.text(name);
    return text === '' ? undefined : Number(text);
  }

  isChecked(name: string): boolean {
    return this.data.has(name);
  }

  /** All checked boxes of the name. */
  checked(name: string): string[] {
    return this.data.getAll(name).filter((value) => typeof value === 'string');
  }

  /** Items between commas or line ends. */
  list(name: string): string[] {
    return this.text(name)
      .split(/[\s,]+/)
      .filter((item) => item !== '');
  }

  /** @throws FieldError when it is no JSON. */
  json(name: string): unknown {
    try {
      return JSON.parse(this.text(name));
    } catch (error) {
      throw new FieldError(name, `This is not JSON: ${(error as Error).message}`);
    }
  }

  /** The instant of a `datetime-local` field, by the clock of this browser. */
  instant(name: string): string | undefined {
    const text = this.text(name);
    return text === '' ? undefined : new Date(text).toISOString();
  }
}

/** What is wrong with one field, seen before the server is asked. */
export class FieldError extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}
