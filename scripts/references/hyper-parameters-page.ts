import * as z from 'zod';
import { evaluationSettings } from '../../src/evaluation/settings.ts';
import { learningSettings } from '../../src/learning/settings.ts';
import { tasks } from '../../src/tasks/registry.ts';
import { conversionSettings } from '../../src/training/conversion/settings.ts';
import { pretrainingSettings } from '../../src/training/pretrain.ts';
import { recipes } from '../../src/training/recipes.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';

type Schema = z.core.JSONSchema.BaseSchema;

/** docs/hyper-parameters.md: all hyper-parameters with type, range, default and meaning, from their schemas. */
export function hyperParametersPage(): string {
  return `# Hyper-parameters

<!-- Generated from the zod schemas by \`npm run docs\`. Change the descriptions there. -->

The names and values for \`--set NAME=VALUE\` and \`--config FILE\`. A value that is out of range is rejected with a message that names
the setting. In VS Code, \`unmask.tuning.hyperparameters\` takes the same names for tuning.

\`\`\`sh
npx unmask tune --task countdown --set group_size=8 --set order=random
npx unmask tune --task countdown --config settings.json     # {"group_size": 8, "order": "random"}
\`\`\`

## Tuning

\`unmask tune\` and \`unmask compare\` (\`src/tuning/settings.ts\`). Some tasks have their own defaults, which take precedence over those of
the table:

${taskDefaults()}

${table(tuningSettings)}

## Pretraining

\`unmask pretrain\` (\`src/training/pretrain.ts\`). A recipe has its own defaults, which take precedence over those of the table; the second table
lists them.

${table(pretrainingSettings)}

| default of the recipe | ${recipes.map(({ name }) => `\`${name}\``).join(' | ')} |
|---|${recipes.map(() => '---|').join('')}
${recipeDefaults()}

## Conversion

\`unmask pretrain --recipe convert\` (\`src/training/conversion/settings.ts\`), explained in [conversion.md](conversion.md).

${table(conversionSettings)}

## Learning a workspace

\`unmask learn\` (\`src/learning/settings.ts\`), explained in [code-model.md](code-model.md#learning-a-workspace).

${table(learningSettings)}

## Evaluation

\`unmask eval\` (\`src/evaluation/settings.ts\`).

${table(evaluationSettings)}
`;
}

function table(schema: z.ZodObject): string {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' }) as Schema;
  const rows = Object.entries(properties).map(([name, property]) => {
    const { default: fallback, description = '' } = property as Schema;
    const value = fallback === undefined ? 'required' : `\`${JSON.stringify(fallback)}\``;
    return `| \`${name}\` | ${kind(property as Schema)} | ${value} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| name | type and range | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

/** The type of a property and its bounds, in words. */
function kind(schema: Schema): string {
  if (schema.anyOf) return (schema.anyOf as Schema[]).map(kind).join(' or ');
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  const { type, minimum, exclusiveMinimum, maximum, exclusiveMaximum, items } = schema;
  if (type === 'array') return `list of ${kind(items as Schema)}`;
  // The schema of an integer contains the largest safe integer as a bound, which is not shown.
  const isBound = (bound: unknown) => typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  const bounds = [
    ...(isBound(minimum) ? [`>= ${minimum}`] : []),
    ...(isBound(exclusiveMinimum) ? [`> ${exclusiveMinimum}`] : []),
    ...(isBound(maximum) ? [`<= ${maximum}`] : []),
    ...(isBound(exclusiveMaximum) ? [`< ${exclusiveMaximum}`] : []),
  ];
  return [[type].flat().join(' or '), bounds.join(' and ')].join(' ').trim();
}

/** A list of the defaults that tasks have of their own; tasks with equal defaults share an item. */
function taskDefaults(): string {
  const items = new Map<string, string[]>();
  for (const { name, tuning = {} } of tasks) {
    const defaults = Object.entries(tuning).map(([setting, value]) => `\`${setting}=${value}\``);
    if (defaults.length > 0) items.set(defaults.join(', '), [...(items.get(defaults.join(', ')) ?? []), `\`${name}\``]);
  }
  return [...items].map(([defaults, names]) => `- ${names.join(', ')}: ${defaults}`).join('\n');
}

function recipeDefaults(): string {
  const defaults = recipes.map(({ preset, settings }): Readonly<Record<string, unknown>> => ({ preset, ...settings }));
  const names = Object.keys(pretrainingSettings.shape).filter((name) =>
    defaults.some((own) => own[name] !== undefined),
  );
  return names.map((name) => `| \`${name}\` | ${defaults.map((own) => cell(own[name])).join(' | ')} |`).join('\n');
}

const cell = (value: unknown): string => (value === undefined ? '' : `\`${JSON.stringify(value)}\``);
