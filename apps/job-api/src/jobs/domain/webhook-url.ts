import { AppError } from '@spooled/contracts';

const MAX_LENGTH = 2048;

/**
 * Refuses what can be refused without the network; the address itself is checked when it is connected to.
 * @throws AppError `VALIDATION_ERROR`
 */
export function checkWebhookUrl(text: string): void {
  const refuse = (why: string): never => {
    throw AppError.invalid('completion_webhook', `Invalid webhook URL: ${why}`);
  };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return refuse('not a URL');
  }
  if (text.length > MAX_LENGTH) refuse('too long');
  if (url.username !== '' || url.password !== '') refuse('must not hold credentials');
  if (url.protocol === 'http:') refuse('HTTP not allowed');
  if (url.protocol !== 'https:') refuse('must be https');
}
