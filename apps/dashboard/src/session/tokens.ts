/** What a sign-in leaves behind. The API key itself is not kept. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** sessionStorage: this tab only, and gone with it. */
const KEY = 'spooled.tokens';

export function keptTokens(): Tokens | undefined {
  const text = sessionStorage.getItem(KEY);
  return text === null ? undefined : (JSON.parse(text) as Tokens);
}

export function keepTokens({ accessToken, refreshToken }: Tokens): void {
  sessionStorage.setItem(KEY, JSON.stringify({ accessToken, refreshToken }));
}

/** And whatever else this tab has kept. */
export function forgetTokens(): void {
  sessionStorage.clear();
}
