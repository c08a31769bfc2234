import { PageFrame } from '../../ui/page.js';
import { Empty } from '../../ui/states.js';

export function Page() {
  return (
    <PageFrame title="Audit trail">
      <Empty icon="book" title="The audit trail cannot be shown here yet">
        It is read over <code>/api/v1/audit</code>.
      </Empty>
    </PageFrame>
  );
}
