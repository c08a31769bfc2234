import { isUuid } from '@spooled/contracts';
import { deliveryId, deliveryTime, firstDeliveryIdAt } from './delivery-id.js';

const at = new Date('2026-05-04T03:02:01.234Z');

describe('the id of a delivery', () => {
  it('is the same for the same endpoint and event, and another for any other', () => {
    const id = deliveryId('a', 1, at);
    expect(isUuid(id)).toBe(true);
    expect(deliveryId('a', 1, at)).toBe(id);
    const others = [deliveryId('b', 1, at), deliveryId('a', 2, at), deliveryId('a', 11, at)];
    expect(new Set([id, ...others]).size).toBe(4);
  });

  it('tells the time of the event, and sorts by it', () => {
    const id = deliveryId('a', 1, at);
    expect(deliveryTime(id)).toBe(at.getTime());
    expect(id >= firstDeliveryIdAt(at.getTime())).toBe(true);
    expect(id < firstDeliveryIdAt(at.getTime() + 1)).toBe(true);
  });
});
