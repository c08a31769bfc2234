/** Digits of a code. */
export const CODE_DIGITS = 6;

/** A code of a number, with the zeros it begins with. */
export function writeCode(number: number): string {
  return String(number).padStart(CODE_DIGITS, '0');
}

/** The same address however it is written; mail servers that tell case apart are none that people use. */
export function addressOf(email: string): string {
  return email.toLowerCase();
}

/** What the owner of an address reads. */
export function codeMail(code: string, lifeMinutes: number): { subject: string; text: string } {
  return {
    subject: `${code} is your Spooled code`,
    text: [
      `Your code is ${code}. It is good for ${lifeMinutes} minutes, and once.`,
      '',
      'Somebody entered your address to log in to Spooled or to sign up. If it was not you, ignore this mail:',
      'without the code nothing happens.',
      '',
    ].join('\n'),
  };
}
