/** How much longer than usual everything may take: a slow machine or line breaks no promise. */
let factor = 1;

export function setPatience(times) {
  factor = times;
}

/** @returns what is as long as `ms` where nothing is slow */
export function patient(ms) {
  return ms * factor;
}
