import fc from 'fast-check';
import { urlProblem } from './url-problem.js';

const production = { allowsLocalHttp: false };
const development = { allowsLocalHttp: true };

describe('a URL to send to', () => {
  it.each([
    'https://example.com',
    'https://example.com:8443/a?b=c#d',
    'https://xn--bcher-kva.example/',
    'https://EXAMPLE.com./',
    'https://8.8.8.8/',
    'https://[2606:4700:4700::1111]/',
    'https://internal.example.com/',
    'https://local.example/',
  ])('may be %s', (url) => {
    expect(urlProblem(url, production)).toBeNull();
    expect(urlProblem(url, development)).toBeNull();
  });

  it.each([
    ['', 'not a URL'],
    ['example.com', 'not a URL'],
    ['https://', 'not a URL'],
    ['https://[fe80::1%25eth0]/', 'not a URL'],
    ['http://example.com/', 'HTTP not allowed'],
    ['http://8.8.8.8/', 'HTTP not allowed'],
    ['http://localhost.example.com/', 'HTTP not allowed'],
    ['ftp://example.com/', 'https'],
    ['javascript:alert(1)', 'https'],
    ['file:///etc/passwd', 'https'],
    ['https://user@example.com/', 'credentials'],
    ['https://:secret@example.com/', 'credentials'],
    [`https://example.com/${'a'.repeat(2030)}`, 'too long'],
    ['https://localhost/', 'name'],
    ['https://LOCALHOST./', 'name'],
    ['https://postgres/', 'name'],
    ['https://redis:6379/', 'name'],
    ['https://kubernetes/', 'name'],
    ['https://kubernetes.default.svc/', 'name'],
    ['https://api.default.svc.cluster.local/', 'name'],
    ['https://metadata/', 'name'],
    ['https://metadata.google.internal/', 'name'],
    ['https://metadata.google.internal./', 'name'],
    ['https://printer.local/', 'name'],
    ['https://foo.localhost/', 'name'],
    ['https://router.lan/', 'name'],
    ['https://nas.home.arpa/', 'name'],
    ['https://127.0.0.1/', 'address'],
    ['https://[::1]/', 'address'],
    ['https://[::ffff:10.0.0.1]/', 'address'],
    ['https://[64:ff9b::10.0.0.1]/', 'address'],
    ['https://169.254.169.254/latest/meta-data/', 'address'],
    ['https://[fd00:ec2::254]/', 'address'],
    ['https://0/', 'address'],
  ])('may not be %j, because: %s', (url, why) => {
    expect(urlProblem(url, production)).toMatch(why);
    expect(urlProblem(url, development)).toMatch(why);
  });

  it.each([
    'http://localhost:3000/a',
    'http://127.0.0.1/',
    'http://[::1]:8080/',
    'http://2130706433/',
  ])('may be %s in development only', (url) => {
    expect(urlProblem(url, development)).toBeNull();
    expect(urlProblem(url, production)).toBe('HTTP not allowed');
  });

  it('is refused for a forbidden address however it is spelled', () => {
    const secondHalf = fc.integer({ min: 0, max: 0xffffff });
    fc.assert(
      fc.property(fc.constantFrom(10, 127, 0), secondHalf, (first, rest) => {
        const [a, b, c, d] = [first, rest >>> 16, (rest >>> 8) & 255, rest & 255] as const;
        const value = a * 2 ** 24 + rest;
        const hex = (part: number): string => `0x${part.toString(16)}`;
        const octal = (part: number): string => `0${part.toString(8)}`;
        const spellings = [
          `${a}.${b}.${c}.${d}`,
          `${a}.${b}.${c * 256 + d}`,
          `${a}.${rest}`,
          String(value),
          hex(value),
          octal(value),
          [a, b, c, d].map(hex).join('.'),
          [a, b, c, d].map(octal).join('.'),
          `${hex(a)}.${octal(b)}.${c * 256 + d}`,
          `${a}.${b}.${c}.${d}.`,
          `[::ffff:${a}.${b}.${c}.${d}]`,
          `[64:ff9b::${a}.${b}.${c}.${d}]`,
          `${a}%2e${b}%2e${c}%2e${d}`,
          `${a}。${b}。${c}。${d}`,
        ];
        for (const spelling of spellings) {
          expect([spelling, urlProblem(`https://${spelling}/`, development)]).toEqual([
            spelling,
            'the address is not allowed',
          ]);
        }
      }),
    );
  });
});
