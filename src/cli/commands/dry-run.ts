import { count } from '../../platform/amounts.ts';
import { UserError } from '../../platform/errors.ts';
import type { DryRunDocument } from '../../protocol/discovery.ts';
import { readRowFile } from '../../tasks/row-file.ts';
import { dryRun, passes } from '../../tasks/workspace/dry-run.ts';
import { workspaceRow } from '../../tasks/workspace/row.ts';
import { weakTests } from '../../tasks/workspace/test-strength.ts';
import type { AddCommand } from '../command.ts';

interface DryRunOptions {
  readonly data: string;
}

export function addDryRun(add: AddCommand): void {
  add<DryRunOptions>(
    'dry-run',
    'Score the current code of a workspace with the tests that would be the reward',
    async ({ data }, { signal, progress }) => {
      const rows = (await readRowFile(data, workspaceRow)).rows.map(({ row }) => row);
      if (rows.length === 0) throw new UserError(`${data} has no function; use a file that \`unmask discover\` wrote.`);
      const found = await dryRun(rows, {
        signal,
        onProgress: (done, total) => progress(`${done} of ${total} functions`),
      });
      return { document: found, lines: shown(found) };
    },
  ).requiredOption('--data <file>', 'functions, as `unmask discover` writes them');
}

function shown({ functions, n, passing, seconds }: DryRunDocument): string[] {
  return [
    ...functions.map((one) => {
      const passed = one.tests.filter(({ passed }) => passed).length;
      const score = one.outcome === 'scored' ? `${passed} of ${one.tests.length} tests passed` : one.reason;
      return `${passes(one) ? 'ok' : '!!'}  ${one.file}:${one.line} ${one.function}  ${score}`;
    }),
    ...functions.flatMap((one) => (one.strength && weakTests(one, one.strength)) ?? []),
    passing === n
      ? `The current code passes for ${n} of ${count(n, 'function')} (${seconds.toFixed(1)} s).`
      : `The current code fails for ${n - passing} of ${count(n, 'function')} (${seconds.toFixed(1)} s). Tuning on such functions would reward wrong code.`,
  ];
}
