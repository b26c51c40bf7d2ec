import { UserError } from '../../platform/errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Placeholder of SAFIM for the missing part of a program. */
const placeholder = '{{completion}}';

/**
 * A record of a published data set with the field names of `CodeRow`: HumanEval, HumanEval-X and HumanEvalPack,
 * HumanEval-Infilling, MBPP, MultiPL-E, SAFIM, CrossCodeEval, ExecRepoBench and SantaCoder's FIM benchmark. Other records
 * are returned unchanged.
 */
export function asCodeFields(record: Fields): Fields {
  if ('test_list' in record) return fromMbpp(record);
  if ('ground_truth' in record && 'eval_prompt' in record) return fromSafim(record);
  if ('groundtruth' in record) return fromCrossCodeEval(record);
  if ('middle_code' in record) return fromExecRepoBench(record);
  return fromHumanEval(record);
}

/**
 * HumanEval and its relatives. The language of a row without one follows from the prefix of its task id. Rows without
 * tests whose missing part is known are graded by comparing text.
 */
function fromHumanEval(record: Fields): Fields {
  const { tests = record.test, solution = record.canonical_solution, language = idLanguage(record.task_id) } = record;
  const setUp = [record.import, record.test_setup].filter((code) => typeof code === 'string' && code.trim() !== '');
  return {
    ...record,
    tests: setUp.length > 0 && typeof tests === 'string' ? [...setUp, tests].join('\n') : tests,
    solution,
    ...(language === undefined ? {} : { language }),
    ...(record.entry_point === undefined && typeof record.name === 'string' ? { named: record.name } : {}),
    ...(tests === undefined && record.suffix !== undefined && solution !== undefined
      ? { target: record.target ?? solution }
      : {}),
  };
}

/** `HumanEval/0`, `SingleLineInfilling/HumanEval/0/L0` and `Mbpp/2` are Python; HumanEval-X names the language: `Go/0`. */
function idLanguage(id: unknown): string | undefined {
  const [first = '', ...rest] = String(id ?? '').split('/');
  if (rest.length === 0) return undefined;
  if (/^(?:humaneval|mbpp|singleline|multiline|randomspan)/i.test(first)) return 'python';
  return /^(?:python|javascript|typescript|java|cpp|go|rust|csharp|php|ruby|kotlin|swift|scala)$/i.test(first)
    ? first
    : undefined;
}

/**
 * MBPP (arXiv 2108.07732). The prompt is the text and the first assertion, in a docstring; the function is the one that
 * the first assertion calls.
 */
function fromMbpp(record: Fields): Fields {
  const list = typeof record.test_list === 'string' ? parsedJson(record.test_list, 'test_list') : record.test_list;
  if (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === 'string'))
    throw new UserError('test_list: needs a list of assertions.');
  const text = record.text ?? record.prompt;
  if (typeof text !== 'string') throw new UserError('text: needs a text.');
  const code = typeof record.code === 'string' ? record.code.replaceAll('\r\n', '\n') : undefined;
  const defined = [...(code ?? '').matchAll(/^(?:async )?(?:def|class) (\w+)/gm)].map(([, name]) => name as string);
  const called = [...String(list[0]).matchAll(/([A-Za-z_]\w*)\s*\(/g)].map(([, name]) => name as string);
  const entry =
    called.find((name) => defined.includes(name)) ?? defined.at(-1) ?? called.find((name) => !builtIn.has(name));
  if (entry === undefined) throw new UserError('test_list: its first assertion calls no function.');
  const imports = Array.isArray(record.test_imports) ? record.test_imports : [];
  const setUp = typeof record.test_setup_code === 'string' ? [record.test_setup_code] : [];
  return {
    ...record,
    prompt: `"""\n${text.trim()}\n${list[0]}\n"""\n`,
    tests: [...imports, ...setUp, ...list].filter((line) => String(line).trim() !== '').join('\n'),
    entry_point: entry,
    language: record.language ?? 'python',
    ...(code === undefined ? {} : { solution: code }),
  };
}

const builtIn = new Set([
  'set',
  'list',
  'tuple',
  'sorted',
  'len',
  'abs',
  'round',
  'sum',
  'str',
  'int',
  'float',
  'isclose',
  'dict',
]);

/**
 * SAFIM (arXiv 2403.04814): the completion is right if it equals the ground truth, otherwise if the program passes its unit
 * tests, which give standard input and expect standard output.
 */
function fromSafim(record: Fields): Fields {
  const { prompt, eval_prompt: whole, ground_truth: target, unit_tests: unitTests, lang } = record;
  const at = typeof prompt === 'string' ? prompt.indexOf(placeholder) : -1;
  if (typeof whole !== 'string' || !whole.includes(placeholder))
    throw new UserError(`eval_prompt: needs a text with ${placeholder}.`);
  const cases =
    typeof unitTests === 'string' && unitTests.trim() !== '' ? parsedJson(unitTests, 'unit_tests') : unitTests;
  return {
    ...record,
    prompt: at < 0 ? prompt : (prompt as string).slice(0, at),
    suffix: at < 0 ? '' : (prompt as string).slice(at + placeholder.length),
    eval_prompt: whole,
    target,
    solution: target,
    language: record.language ?? lang,
    tests: '',
    ...(Array.isArray(cases) && cases.length > 0 ? { unit_tests: cases } : { unit_tests: undefined }),
  };
}

/** CrossCodeEval (arXiv 2310.11248): the next statement of a file of a repository, compared as text. */
function fromCrossCodeEval(record: Fields): Fields {
  const { metadata: given } = record;
  const metadata = ((typeof given === 'string' ? parsedJson(given, 'metadata') : given) ?? {}) as Fields;
  const [, project] = /^project_cc_([a-z]+)\//.exec(String(metadata.task_id ?? '')) ?? [];
  return {
    ...record,
    suffix: record.right_context ?? '',
    target: record.groundtruth,
    solution: record.groundtruth,
    language: record.language ?? languageOfFile(metadata.file) ?? project,
    tests: '',
  };
}

/** ExecRepoBench (arXiv 2412.11990): a gap in a file, compared as text, because the repository itself is not in the row. */
function fromExecRepoBench(record: Fields): Fields {
  return {
    ...record,
    prompt: record.prefix_code,
    suffix: record.suffix_code ?? '',
    target: record.middle_code,
    solution: record.middle_code,
    language: record.language ?? languageOfFile(record.file_name) ?? 'python',
    tests: '',
  };
}

const extensions: Readonly<Record<string, string>> = {
  py: 'python',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  jsx: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  tsx: 'typescript',
  java: 'java',
  cs: 'csharp',
};

function languageOfFile(file: unknown): string | undefined {
  return typeof file === 'string' ? extensions[file.slice(file.lastIndexOf('.') + 1)] : undefined;
}

function parsedJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${field}: is not valid JSON; correct the row.`);
  }
}
