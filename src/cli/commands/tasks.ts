import type { TaskList } from '../../protocol/lists.ts';
import { tasks } from '../../tasks/registry.ts';
import type { AddCommand } from '../command.ts';

export function addTasks(add: AddCommand): void {
  add('tasks', 'List the tasks', async () => {
    const listed = tasks.map(({ name, description, metrics, generate }) => ({
      name,
      description,
      metrics,
      makesProblems: generate !== undefined,
    }));
    return {
      document: { tasks: listed } satisfies TaskList,
      lines: listed.map(
        ({ name, description, metrics }) => `${name.padEnd(10)} ${description} (${metrics.join(', ')})`,
      ),
    };
  });
}
