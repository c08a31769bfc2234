import { readTraceparent } from './traceparent.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('the trace context that a caller sends', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`],
    [`00-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
    // Of the flags we know one. A later version may say more, after what this one says.
    [`00-${TRACE}-${SPAN}-03`, `00-${TRACE}-${SPAN}-01`],
    [`01-${TRACE}-${SPAN}-02-more`, `00-${TRACE}-${SPAN}-00`],
  ])('%s is kept as %s', (sent, kept) => {
    expect(readTraceparent(sent)).toBe(kept);
  });

  it.each([
    undefined,
    '',
    5,
    [`00-${TRACE}-${SPAN}-01`],
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `01-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ])('that is %p is none', (sent) => {
    expect(readTraceparent(sent)).toBeNull();
  });
});
