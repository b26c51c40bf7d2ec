import { objectives } from '../../tuning/objectives/registry.ts';
import type { AddCommand } from '../command.ts';

export function addObjectives(add: AddCommand): void {
  add('objectives', 'List the policy-gradient methods', async () => {
    const listed = objectives.map(({ name, paper, description }) => ({ name, paper, description }));
    return {
      document: { objectives: listed },
      lines: listed.map(({ name, paper, description }) => `${name.padEnd(14)} ${description} (${paper})`),
    };
  });
}
