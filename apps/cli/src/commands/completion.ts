import { Argument, type Command } from 'commander';

import type { Cli } from '../cli.js';

const shells = { bash, zsh, fish } as const;

export function addCompletion(program: Command, cli: Cli): void {
  program
    .command('completion')
    .description('what a shell needs to complete commands and options')
    .addArgument(new Argument('<shell>').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      '\n  bash: source <(spooled completion bash)' +
        '\n  zsh:  source <(spooled completion zsh)' +
        '\n  fish: spooled completion fish | source',
    )
    .action(async (shell: keyof typeof shells) => {
      const script = shells[shell](wordsOf(program));
      await cli.output.result({ shell, script }, () => script);
    });
}

/** A command by its words, and what may come next. */
interface Words {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly string[];
}

function wordsOf(program: Command): Words[] {
  const common = [...program.options.flatMap(({ long }) => long ?? []), '--help'];
  const walk = (command: Command, path: string): Words[] => [
    {
      path,
      commands: command.commands.map((each) => ({
        name: each.name(),
        description: each.description(),
      })),
      options: [
        ...(command === program ? [] : command.options.flatMap(({ long }) => long ?? [])),
        ...common,
      ],
    },
    ...command.commands.flatMap((each) => walk(each, `${path} ${each.name()}`)),
  ];
  return walk(program, program.name());
}

const wordList = ({ commands, options }: Words): string =>
  [...commands.map(({ name }) => name), ...options].join(' ');

/** The words before the cursor that name a command decide; what begins with a dash, and all after, does not. */
function bash(words: readonly Words[]): string {
  return `# spooled completion for bash
_spooled() {
  local path=spooled word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${words
  .filter(({ path }) => path.includes(' '))
  .map(({ path }) => `      '${path}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${words.map((each) => `    '${each.path}') COMPREPLY=($(compgen -W '${wordList(each)}' -- "\${COMP_WORDS[COMP_CWORD]}")) ;;`).join('\n')}
  esac
}
complete -o default -F _spooled spooled
`;
}

function zsh(words: readonly Words[]): string {
  return `#compdef spooled
# spooled completion for zsh
autoload -U +X bashcompinit && bashcompinit
${bash(words)}`;
}

function fish(words: readonly Words[]): string {
  const lines = words.flatMap(({ path, commands, options }) => {
    const [, ...before] = path.split(' ');
    const names = commands.map(({ name }) => name).join(' ');
    const seen = before.map((word) => `__fish_seen_subcommand_from ${word}`);
    const here = [...seen, ...(names === '' ? [] : [`not __fish_seen_subcommand_from ${names}`])];
    const condition = `-n '${here.join('; and ') || 'true'}'`;
    return [
      ...commands.map(
        ({ name, description }) =>
          `complete -c spooled -f ${condition} -a ${name} -d '${description.replaceAll("'", "\\'")}'`,
      ),
      ...options.map((option) => `complete -c spooled ${condition} -l ${option.slice(2)}`),
    ];
  });
  return `# spooled completion for fish\n${lines.join('\n')}\n`;
}
