import { PageFrame } from '../../ui/page.js';
import { Empty } from '../../ui/states.js';

export function Page() {
  return (
    <PageFrame title="Webhooks">
      <Empty icon="send" title="Webhooks cannot be shown here yet">
        They are managed over <code>/api/v1/outgoing-webhooks</code>.
      </Empty>
    </PageFrame>
  );
}
