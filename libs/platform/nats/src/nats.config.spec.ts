import { natsAddress } from './nats.config.js';

describe('natsAddress', () => {
  it('is the servers, when nobody is named', () => {
    expect(natsAddress('nats://a:4222, b:4223')).toEqual({
      servers: ['nats://a:4222', 'nats://b:4223'],
    });
  });

  it('takes user and password out of the servers', () => {
    expect(natsAddress('nats://spooled:p%40ss@a:4222,nats://spooled:p%40ss@b:4222')).toEqual({
      servers: ['nats://a:4222', 'nats://b:4222'],
      user: 'spooled',
      pass: 'p@ss',
    });
  });

  it('takes a token out of the servers, and keeps TLS', () => {
    expect(natsAddress('tls://s3cret@a:4222')).toEqual({
      servers: ['tls://a:4222'],
      token: 's3cret',
    });
  });

  it('knows addresses of version 6', () => {
    expect(natsAddress('nats://u:p@[::1]:4222').servers).toEqual(['nats://[::1]:4222']);
  });
});
