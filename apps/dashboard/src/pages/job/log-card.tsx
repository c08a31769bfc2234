import { useResource } from '../../live/use-resource.js';
import { Card } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { ClockTime } from '../../ui/time.js';
import { logResource } from './job-log.js';

export function LogCard({ id }: { readonly id: string }) {
  const log = useResource(logResource(id));
  return (
    <Card title="Log">
      <Loaded resource={log}>
        {({ lines, hasGap }) =>
          lines.length === 0 ? (
            <Empty icon="list" title="Nothing was logged">
              A worker logs with <code>log(level, message)</code>; lines appear here as they are
              written.
            </Empty>
          ) : (
            <>
              {hasGap && (
                <p className="notice">
                  Some lines are not shown: there are too many, or they did not arrive.
                </p>
              )}
              <pre className="log" tabIndex={0} role="region" aria-label="Log lines">
                {lines.map(({ line, loggedAt }, index) => (
                  <div key={index}>
                    <span className="muted">
                      <ClockTime at={loggedAt} />{' '}
                    </span>
                    {line}
                  </div>
                ))}
              </pre>
            </>
          )
        }
      </Loaded>
    </Card>
  );
}
