/**
 * Whose rows a statement reads and writes, as the planner's own plan shows it: each access to a table is followed from its
 * `organization_id`, over the equalities that hold for it, to where the organization comes from.
 */

/** A node of `explain (verbose, format json)`. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Join Type'?: string;
  readonly 'Parent Relationship'?: string;
  readonly 'Subplan Name'?: string;
  readonly Operation?: string;
  readonly Schema?: string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'CTE Name'?: string;
  readonly 'Function Call'?: string;
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

/** `one`: a parameter names it; `several`: a parameter lists them; `all`: nothing says. */
export type Reach = 'one' | 'several' | 'all';

export interface Access {
  readonly table: string;
  readonly reach: Reach;
}

/** Where `organization_id` stands in a row of a table, from 0. */
export type Position = (table: string) => number;

const CONDITIONS = [
  'Index Cond',
  'Recheck Cond',
  'Filter',
  'One-Time Filter',
  'Hash Cond',
  'Merge Cond',
  'Join Filter',
] as const;

export function accessesOf(plan: PlanNode, position: Position): Access[] {
  const reading = new Reading(plan, position);
  return nodesOf(plan).flatMap((node) => {
    if (node['Relation Name'] === undefined) return [];
    const table = tableOf(node);
    // What is changed or deleted is scanned below.
    if (node.Operation !== undefined && node.Operation !== 'Insert') return [];
    return [{ table, reach: reading.reachOf(`${node.Alias}.organization_id`) }];
  });
}

/** Terms, and what each is said to be equal to: `s.organization_id`, `$1`. */
class Reading {
  readonly #reaches = new Map<string, Reach>();
  readonly #equals = new Map<string, Set<string>>();
  /** What an output stands for: all of these, since rows of each come out of it. */
  readonly #comesFrom = new Map<string, readonly string[]>();
  /** The parts of a chain of plans, by its first one, whose names stand for all of them above it. */
  readonly #chains = new Map<string, readonly string[]>();

  constructor(plan: PlanNode, position: Position) {
    const nodes = nodesOf(plan);
    const commonTables = new Map(
      nodes.flatMap((node) => {
        const name = /^CTE (.*)$/.exec(node['Subplan Name'] ?? '')?.[1];
        return name === undefined ? [] : [[name, node] as const];
      }),
    );
    for (const node of nodes) {
      const [first, ...others] = partsOf(node).map(({ Alias }) => Alias ?? '');
      if (first !== undefined && others.length > 0) this.#chains.set(first, others);
      const { Alias: alias, 'CTE Name': commonTable } = node;
      if (alias === undefined) continue;
      if (node.Operation === 'Insert') {
        const at = position(tableOf(node));
        const rows = childrenOf(node).flatMap(partsOf);
        this.#comesFrom.set(
          `${alias}.organization_id`,
          rows.map(({ Output: output }) => output?.at(at) ?? ''),
        );
        continue;
      }
      const source =
        commonTable !== undefined
          ? commonTables.get(commonTable)
          : node['Node Type'] === 'Subquery Scan'
            ? node.Plans?.[0]
            : undefined;
      if (source !== undefined) {
        this.#comesFrom.set(`${alias}.organization_id`, partsOf(source).map(organizationOf));
      } else if (/^unnest\(.*\$1/.test(node['Function Call'] ?? '')) {
        this.#say(`${alias}.organization_id`, LIST);
      }
    }
    for (const node of nodes) this.#learnConditions(node);
    this.#settle();
  }

  /** Follows equalities and origins until nothing gets narrower any more: it begins with what nothing is known of. */
  #settle(): void {
    const terms = new Set([...this.#equals.keys(), ...this.#comesFrom.keys()]);
    for (let isSettled = false; !isSettled;) {
      isSettled = true;
      for (const term of terms) {
        const reaches = [...(this.#equals.get(term) ?? [])].map((other) => this.reachOf(other));
        const sources = this.#comesFrom.get(term)?.map((source) => this.reachOf(source));
        const reach = narrowest([...reaches, ...(sources === undefined ? [] : [widest(sources)])]);
        if (reach === this.reachOf(term)) continue;
        this.#reaches.set(term, reach);
        isSettled = false;
      }
    }
  }

  reachOf(written: string): Reach {
    const term = plain(written);
    if (isParameter(term)) return 'one';
    if (term === LIST) return 'several';
    return this.#reaches.get(term) ?? 'all';
  }

  #learnConditions(node: PlanNode): void {
    const below = (relationship: string): ReadonlySet<string> =>
      new Set(
        node.Plans?.filter((child) => child['Parent Relationship'] === relationship)
          .flatMap(nodesOf)
          .map(({ Alias }) => Alias ?? ''),
      );
    // An outer join looks at all rows of one side: only the other side is narrowed by the condition.
    const isFree = {
      Outer: /^(Left|Full|Anti)$/.test(node['Join Type'] ?? ''),
      Inner: /^(Right|Full|Right Anti)$/.test(node['Join Type'] ?? ''),
    };
    const free = new Set([
      ...(isFree.Outer ? below('Outer') : []),
      ...(isFree.Inner ? below('Inner') : []),
    ]);
    const isJoin = node['Join Type'] !== undefined;
    for (const condition of CONDITIONS) {
      const text = (node as unknown as Record<string, string | undefined>)[condition];
      for (const [left, right] of equalitiesIn(text ?? '')) {
        // The condition of a scan narrows its own rows, not those of whom it is compared with.
        const isOwn = (term: string): boolean =>
          isJoin
            ? !free.has(aliasOf(term))
            : node.Alias === undefined || aliasOf(term) === node.Alias;
        for (const [term, other] of [
          [left, right],
          [right, left],
        ] as const) {
          if (!isOwn(term)) continue;
          this.#say(term, other);
          // Above a chain, the names of its first part stand for all of them.
          for (const part of (isJoin && this.#chains.get(aliasOf(term))) || [])
            this.#say(`${part}.organization_id`, other);
        }
      }
    }
  }

  #say(term: string, other: string): void {
    if (!term.endsWith('.organization_id')) return;
    this.#equals.set(term, (this.#equals.get(term) ?? new Set()).add(other));
  }
}

/** A parameter that is a list of organizations. */
const LIST = 'list';

function tableOf(node: PlanNode): string {
  return `${node.Schema}.${node['Relation Name']}`;
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** The plans whose rows come out of this one: those that are put one after the other, or itself. */
function partsOf(node: PlanNode): readonly PlanNode[] {
  const [first, ...others] = childrenOf(node);
  if (first === undefined) return [node];
  if (/^(Append|Merge Append)$/.test(node['Node Type'])) return [first, ...others].flatMap(partsOf);
  // What recursion adds is of the organizations it began with, or of tables that are looked at themselves.
  if (node['Node Type'] === 'Recursive Union') return partsOf(first);
  if (!PASSING.test(node['Node Type'])) return [node];
  // It has what comes out of a chain under the names of the first part.
  const parts = partsOf(first);
  return parts.length > 1 ? parts : [node];
}

/** Nodes that pass on the rows of another one as they are. */
const PASSING = /^(Limit|Sort|Incremental Sort|Unique|Aggregate|LockRows|Materialize|Result)$/;

/** Without the plans of expressions and of common tables. */
function childrenOf({ Plans: plans = [] }: PlanNode): PlanNode[] {
  return plans.filter((child) => !/^(InitPlan|SubPlan)$/.test(child['Parent Relationship'] ?? ''));
}

/** The organization among what comes out of a plan. Statements that make one of a parameter name it first. */
function organizationOf({ Output: output = [] }: PlanNode): string {
  return output.find((term) => term.endsWith('organization_id')) ?? output[0] ?? '';
}

function aliasOf(term: string): string {
  return term.slice(0, term.lastIndexOf('.'));
}

/** Without the quotes and parentheses that a name or a parameter may stand in. */
function plain(term: string): string {
  return unwrapped(term).replaceAll('"', '');
}

function isParameter(term: string): boolean {
  return /^\$\d+$/.test(term);
}

const TERM = String.raw`\$\d+|(?:\w+|"[^"]+")\.(?:\w+|"[^"]+")`;
const EQUALITY = new RegExp(
  String.raw`^(${TERM}) = (?:ANY \((?=\$)|ANY \(ARRAY\[)?(${TERM})\]?\)?$`,
);

/** Pairs of terms that a condition says are equal: of what is joined by AND, never of what stands in an OR. */
function equalitiesIn(condition: string): (readonly [string, string])[] {
  return conjunctsOf(condition).flatMap((part) => {
    const [, left, right] = EQUALITY.exec(part) ?? [];
    if (left === undefined || right === undefined) return [];
    const isList = part.includes(' = ANY ($');
    return [[plain(left), isList ? LIST : plain(right)] as const];
  });
}

function conjunctsOf(condition: string): string[] {
  const inner = unwrapped(condition);
  const parts: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let from = 0;
  for (let at = 0; at < inner.length; at += 1) {
    const letter = inner[at];
    if (letter === "'") isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (depth === 0 && inner.startsWith(' AND ', at)) {
      parts.push(inner.slice(from, at));
      from = at + 5;
    }
  }
  parts.push(inner.slice(from));
  return parts.length === 1 ? [inner] : parts.flatMap(conjunctsOf);
}

/** Without the parentheses around the whole of it. */
function unwrapped(text: string): string {
  if (!text.startsWith('(') || !text.endsWith(')')) return text;
  let depth = 0;
  for (let at = 0; at < text.length - 1; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return text;
  }
  return unwrapped(text.slice(1, -1));
}

const ORDER: readonly Reach[] = ['one', 'several', 'all'];

function widest(reaches: readonly Reach[]): Reach {
  return ORDER.findLast((reach) => reaches.includes(reach)) ?? 'all';
}

function narrowest(reaches: readonly Reach[]): Reach {
  return ORDER.find((reach) => reaches.includes(reach)) ?? 'all';
}
