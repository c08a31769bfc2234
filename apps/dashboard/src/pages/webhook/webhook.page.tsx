import { PageFrame } from '../../ui/page.js';
import { Empty } from '../../ui/states.js';

export function Page() {
  return (
    <PageFrame title="Webhook">
      <Empty icon="send" title="Deliveries cannot be shown here yet">
        They are listed by <code>/api/v1/outgoing-webhooks/:id/deliveries</code>.
      </Empty>
    </PageFrame>
  );
}
