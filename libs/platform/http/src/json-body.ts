import { AppError, parseJson } from '@spooled/contracts';

/** Deeper documents are refused: many consumers recurse. */
const MAX_DEPTH = 64;

/** The value of a JSON body, `undefined` for an empty one. @throws AppError `INVALID_JSON` */
export function readJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  refuseDeepJson(text);
  try {
    return parseJson(text);
  } catch (error) {
    throw new AppError('INVALID_JSON', undefined, { cause: error });
  }
}

/** Refuses JSON text that nests deeper than 64 levels, in one pass and before anything is built from it. */
export function refuseDeepJson(text: string): void {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (isInString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) isInString = false;
    } else if (code === QUOTE) {
      isInString = true;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1;
      if (depth > MAX_DEPTH) {
        throw new AppError('INVALID_JSON', `The body nests deeper than ${MAX_DEPTH} levels.`);
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1;
    }
  }
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
