import { queueName } from '@spooled/contracts';
import fc from 'fast-check';
import { queueOf } from './queue-of.js';

describe('the queue of an event', () => {
  it.each([
    ['github', 'push', 'github-push'],
    ['github', 'pull_request', 'github-pull_request'],
    ['github', '../../x y', 'github-------x-y'],
    ['stripe', 'invoice.paid', 'stripe-invoice-paid'],
    ['stripe', 'customer.subscription.updated', 'stripe-customer-subscription-updated'],
  ] as const)('%s %s is %s', (sender, event, queue) => {
    expect(queueOf(sender, event)).toBe(queue);
  });

  it('is a queue name of at most 64 characters, whatever the event', () => {
    fc.assert(
      fc.property(fc.string(), (event) => {
        const queue = queueOf('github', event);
        expect(queue.length).toBeLessThanOrEqual(64);
        expect(queueName.safeParse(queue).success).toBe(true);
      }),
    );
  });
});
