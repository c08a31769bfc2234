import fc from 'fast-check';
import { isTicket } from '@spooled/contracts';
import { organizationOfTicket, TICKET_SECRET_BYTES, writeTicket } from './ticket.js';

const secrets = fc.uint8Array({ minLength: TICKET_SECRET_BYTES, maxLength: TICKET_SECRET_BYTES });

describe('the text of a ticket', () => {
  it('leads back to the organization it was made for', () => {
    fc.assert(
      fc.property(fc.uuid(), secrets, (organizationId, secret) => {
        const ticket = writeTicket(organizationId, secret);
        expect(isTicket(ticket)).toBe(true);
        expect(organizationOfTicket(ticket)).toBe(organizationId);
      }),
    );
  });

  it('leads nowhere when it is anything else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(organizationOfTicket(`tkt_${text.slice(0, 63)}`)).toBeUndefined();
      }),
    );
  });

  it('cannot be made of something that is no id', () => {
    expect(() => writeTicket('demo', new Uint8Array(TICKET_SECRET_BYTES))).toThrow();
  });
});
