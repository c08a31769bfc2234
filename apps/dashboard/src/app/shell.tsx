import { lazy, Suspense, useEffect, useRef, type ReactNode } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';

import { useReadOnlyReason, useConnection, useSession } from '../session/session-context.js';
import { Icon } from '../ui/icon.js';
import { Empty, Loading } from '../ui/states.js';
import { Brand } from './brand.js';
import { ErrorBoundary } from './error-boundary.js';
import { Freshness } from './freshness.js';
import { pages, type PageEntry } from './pages.js';
import './shell.css';
import { ThemeSwitch } from './theme-switch.js';

const groups = ['Watch', 'Work', 'Organization'] as const;

const routes = pages.map((page) => ({
  page,
  Component: lazy(async () => ({ default: (await page.load()).Page })),
}));

/** What is around every page. */
export function Shell({ onSignOut }: { readonly onSignOut: () => void }) {
  const { identity, isUnrestricted } = useSession();
  const [path] = useLocation();
  useFocusOnContent(path);
  const offered = pages.filter((page) => isUnrestricted || page.isForUnrestricted !== true);
  return (
    <div className="shell">
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <aside className="sidebar">
        <Link href="/" className="brand-link" aria-label="Spooled, overview">
          <Brand />
        </Link>
        <nav aria-label="Pages">
          {groups.map((group) => (
            <NavGroup
              key={group}
              title={group}
              pages={offered.filter(({ nav }) => nav?.group === group)}
              path={path}
            />
          ))}
        </nav>
      </aside>
      <div className="main">
        <header className="topbar">
          <span className="organization">
            <strong>{identity.organization.name}</strong>
            {!isUnrestricted && <span className="muted"> · only {identity.queues.join(', ')}</span>}
          </span>
          <Freshness />
          <ThemeSwitch />
          <button type="button" className="button" onClick={onSignOut}>
            <Icon name="exit" /> Sign out
          </button>
        </header>
        <StaleNotice />
        <main id="content" className="content" tabIndex={-1}>
          <ErrorBoundary key={path}>
            <Suspense fallback={<Loading />}>
              <Switch>
                {routes.map(({ page, Component }) => (
                  <Route key={page.path} path={page.path}>
                    <Opened page={page}>
                      <Component />
                    </Opened>
                  </Route>
                ))}
                <Route>
                  <Empty title="There is no such page" icon="search">
                    <Link href="/">Go to the overview</Link>
                  </Empty>
                </Route>
              </Switch>
            </Suspense>
          </ErrorBoundary>
        </main>
      </div>
    </div>
  );
}

function NavGroup({
  title,
  pages,
  path,
}: {
  readonly title: string;
  readonly pages: readonly PageEntry[];
  readonly path: string;
}) {
  if (pages.length === 0) return null;
  return (
    <div className="nav-group">
      <h2>{title}</h2>
      <ul>
        {pages.map((page) => {
          const isHere =
            page.path === path || (page.path !== '/' && path.startsWith(`${page.path}/`));
          return (
            <li key={page.path}>
              <Link href={page.path} aria-current={isHere ? 'page' : undefined}>
                {page.nav && <Icon name={page.nav.icon} />}
                {page.title}
              </Link>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** A page of this key, or why it is none. The title of the window says where one is. */
function Opened({ page, children }: { readonly page: PageEntry; readonly children: ReactNode }) {
  const { isUnrestricted } = useSession();
  useEffect(() => {
    document.title = `${page.title} · Spooled`;
  }, [page]);
  if (page.isForUnrestricted === true && !isUnrestricted) {
    return (
      <Empty icon="key" title="The credential does not allow this.">
        This page needs a key without a queue scope. <code>ACCESS_DENIED</code>
      </Empty>
    );
  }
  return children;
}

/** Whoever goes to another page is taken to its content, as with a page that is loaded. */
function useFocusOnContent(path: string): void {
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    document.getElementById('content')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [path]);
}

/** While the stream is away: what is shown may be old, and nothing can be changed. */
function StaleNotice() {
  const reason = useReadOnlyReason();
  const { heardAt } = useConnection();
  if (reason === undefined || heardAt === undefined) return null;
  return (
    <p className="stale-notice" role="status">
      <Icon name="alert" /> {reason}
    </p>
  );
}
