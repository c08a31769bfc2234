import pg from 'pg';

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/**
 * The URL of each server that one URL names, as libpq reads it: `postgresql://user:password@one:5432,two:5432/database`.
 */
export function serversOf(url: string): readonly string[] {
  const parts = /^(\w+:\/\/(?:[^/?#]*@)?)([^/?#]+)(.*)$/.exec(url);
  if (parts === null) return [url];
  const [, begin, hosts = '', end] = parts;
  return hosts.split(',').map((host) => `${begin}${host}${end}`);
}

/**
 * The client of a pool whose connections lead to a server that takes writes. Of several servers it tries the one where
 * the last attempt went, and after a failure, which is the caller's, the next.
 */
export function writingClient(urls: readonly string[]): typeof pg.Client {
  let next = 0;
  return class WritingClient extends pg.Client {
    readonly #server = next;
    #isStandby = false;

    constructor(config: pg.ClientConfig) {
      super({ ...config, connectionString: urls[next] });
      // From the first moment: a server that goes down may end a connection in the packet that opens it, and without a
      // listener the event itself would end the process. Whoever waits for a statement hears of the loss anyway.
      this.on('error', () => undefined);
      this.connection.on(
        'parameterStatus',
        ({ parameterName, parameterValue }: ParameterStatus) => {
          if (parameterName === 'in_hot_standby') this.#isStandby = parameterValue === 'on';
        },
      );
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error | null) => void): void;
    override connect(callback?: (error: Error | null) => void): Promise<pg.Client> | void {
      const connected = this.#connect();
      if (callback === undefined) return connected;
      connected.then(() => callback(null), callback);
    }

    async #connect(): Promise<pg.Client> {
      try {
        await super.connect();
        if (this.#isStandby) throw new Error('connection to a standby, which takes no writes');
        return this;
      } catch (error) {
        if (next === this.#server) next = (next + 1) % urls.length;
        void this.end();
        throw error;
      }
    }
  };
}
