import { checkWebhookUrl } from './webhook-url.js';

describe('checkWebhookUrl', () => {
  it.each([
    'https://example.com',
    'https://example.com:8443/a?b=c#d',
    'https://xn--bcher-kva.example/',
  ])('takes %s', (url) => {
    expect(() => checkWebhookUrl(url)).not.toThrow();
  });

  it.each([
    ['', 'not a URL'],
    ['example.com', 'not a URL'],
    ['https://', 'not a URL'],
    ['http://example.com/', 'HTTP not allowed'],
    ['ftp://example.com/', 'https'],
    ['javascript:alert(1)', 'https'],
    ['file:///etc/passwd', 'https'],
    ['https://user@example.com/', 'credentials'],
    ['https://:secret@example.com/', 'credentials'],
    [`https://example.com/${'a'.repeat(2030)}`, 'too long'],
  ])('refuses %j, because: %s', (url, why) => {
    expect(() => checkWebhookUrl(url)).toThrow(
      expect.objectContaining({
        code: 'VALIDATION_ERROR',
        message: expect.stringMatching(new RegExp(`Invalid webhook URL.*${why}`)),
        details: [expect.objectContaining({ field: 'completion_webhook' })],
      }),
    );
  });
});
