import { Link } from 'wouter';

/** The end of an id tells neighbours apart; its beginning is the time, and the same for all of one moment. */
export function JobLink({ id }: { readonly id: string }) {
  return (
    <Link href={`/jobs/${encodeURIComponent(id)}`} className="mono" title={id}>
      {id.length > 14 ? `…${id.slice(-12)}` : id}
    </Link>
  );
}
