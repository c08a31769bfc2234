/** The server said no: an HTTP status before a stream or of a call, or the name of a gRPC status. */
export class Refusal extends Error {
  constructor(status, text, what) {
    super(`${what} was refused: ${status} ${text.slice(0, 200)}`);
    this.status = status;
    this.text = text;
  }

  /** `code` of the JSON error body. */
  get code() {
    try {
      return JSON.parse(this.text).code;
    } catch {
      return undefined;
    }
  }
}
