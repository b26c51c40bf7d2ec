import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
  await writeFile(path.join(home, 'list.json'), '[1]');
  const lossCase = { prompt: [4], completions: [[5], [6]], rewards: [0, 1], masks: [[[0, 1]], [[0, 1]]] };
  await writeFile(path.join(home, 'case.json'), JSON.stringify(lossCase));
  await writeFile(path.join(home, 'broken.json'), '{"steps":');
  await writeFile(path.join(home, 'unknown.json'), '{"nosuch":1}');
});
after(() => leave());

const tune = ['tune', '--task', 'sudoku4x4', '--model', 'tiny'];
const evaluate = ['eval', '--task', 'sudoku4x4', '--model', 'tiny'];
const known = 'sudoku4x4, countdown, gsm8k, math, code, programs, workspace';

describe('bad usage ends with code 2 and an error message', () => {
  const cases: readonly [args: readonly string[], message: RegExp][] = [
    [['nosuch'], /^unknown command 'nosuch'/],
    [['help', 'nosuch'], /^no known command was given/],
    [['tasks', 'extra'], /^too many arguments/],
    [['tasks', '--nosuch'], /^unknown option '--nosuch'; see `unmask tasks --help`\.$/],
    [['nosuch', '--seed'], /see `unmask --help`\.$/],
    [['complete'], /'--prefix-file <file>' not specified; see `unmask complete --help`\.$/],
    [['models', 'list', 'tiny'], /^unmask models list shows all models; leave out tiny\.$/],
    [['models', 'list', '--name', 'x'], /^--name belongs to unmask models add and keep; leave it out\.$/],
    [['models', 'card', 'tiny', '--yes'], /^--yes belongs to unmask models remove/],
    [['runs', 'list', 'x'], /^unmask runs list shows all runs; leave out x\.$/],
    [['evaluations', 'list', 'x'], /^unmask evaluations list shows all evaluations; leave out x\.$/],
    [['evaluations', 'show', 'x', '--against', 'y'], /^--against belongs to unmask evaluations compare; leave it out/],
    [['evaluations', 'list', '--output', 'x'], /^--output belongs to unmask evaluations export/],
    [['tune', '--workspace', 'nowhere', '--set', 'nosuch=1'], /^Unknown setting nosuch; /],
    [['eval', '--workspace', 'nowhere', '--set', 'nosuch=1'], /^Unknown setting nosuch; /],
    [['tune', '--test-command', 'x'], /needs --task, --workspace, or --resume/],
    [
      [...evaluate, '--set', 'factor=3'],
      /^Setting factor = 3 has no effect with order = confidence; set order=factor, or remove factor\.$/,
    ],
    [[...evaluate, '--set', 'order=factor', '--set', 'threshold=0.5'], /^Setting threshold = 0\.5 has no effect with /],
    [[...tune, '--set', 'entropy_bound=1'], /^Setting entropy_bound = 1 .*; set order=entropy, /],
    [['tune'], /needs --task, --workspace, or --resume/],
    [['tune', '--task', 'nosuch'], new RegExp(`^Unknown task nosuch; the tasks are ${known}\\.$`)],
    [['eval', '--task', 'nosuch'], /^Unknown task nosuch/],
    [['score', '--task', 'nosuch', '--file', 'x'], /^Unknown task nosuch/],
    [['eval'], /^unmask eval needs --task, --workspace, or --resume with the directory of an evaluation/],
    [[...tune, '--objective', 'ppo'], /^Unknown objective ppo; the objectives are spg-mixture, /],
    [[...tune, '--engine', 'torch'], /^There is no engine torch; choose one of auto, onnx, tensorflow/],
    [[...tune, '--engine', 'onnx', '--device', 'npu'], /^Engine onnx has no device npu/],
    [[...evaluate, '--device', 'npu'], /^There is no device npu/],
    [[...tune, '--steps', '-1'], /^--steps -1: give a whole number of at least 1/],
    [[...tune, '--steps', '1.5'], /^--steps 1\.5: /],
    [[...tune, '--seed', 'x'], /^--seed x: give a whole number of at least 0/],
    [[...tune, '--time-limit', '0'], /^--time-limit 0: give a number above 0/],
    [[...evaluate, '--samples', '0'], /^--samples 0: /],
    [[...evaluate, '--limit', ''], /^--limit : /],
    [[...tune, '--set', 'learning_rate=-1'], /^Setting learning_rate must be above 0, not -1/],
    [[...tune, '--set', 'learning_rate=NaN'], /^Setting learning_rate must be a number, not "NaN"/],
    [[...tune, '--set', 'learning_rate=1e9'], /^Setting learning_rate must be at most 1, not 1000000000/],
    [[...tune, '--set', 'group_size=1'], /^Setting group_size must be at least 2, not 1/],
    [[...tune, '--set', 'beta=0.9'], /^Setting beta must be at least 1, not 0\.9/],
    [[...tune, '--set', 'omega=1.1'], /^Setting omega must be at most 1, not 1\.1/],
    [[...tune, '--set', 'mask_samples=0'], /^Setting mask_samples must be at least 1, not 0/],
    [[...tune, '--set', 'clip_low=0'], /^Setting clip_low must be above 0, not 0/],
    [[...tune, '--set', 'branches=1'], /^Setting branches must be at least 2, not 1/],
    [
      [...tune, '--set', 'block=6'],
      /^Setting block = 6 does not divide the 16 tokens of a completion; give one that does/,
    ],
    [[...tune, '--objective', 'vrpo', '--set', 'reference=none'], /^vrpo needs a reference policy; set reference=base/],
    [[...tune, '--objective', 'trafl', '--set', 'reference=none'], /^trafl needs a reference policy/],
    [[...tune, '--objective', 'rspo', '--set', 'reference=none'], /^rspo needs a reference policy/],
    [
      [...tune, '--objective', 'diffu-grpo', '--set', 'reference=none'],
      /^diffu-grpo with kl = 0\.04 needs a reference policy; set reference=base, or set kl=0/,
    ],
    [
      [...tune, '--objective', 'ebpo', '--set', 'reference=none', '--set', 'kl=0.1'],
      /^ebpo with kl = 0\.1 needs a reference policy/,
    ],
    [
      [...tune, '--set', 'kl=0.1'],
      /^spg-mixture does not use kl = 0\.1, because it has no clipped ratio and no KL penalty/,
    ],
    [[...tune, '--objective', 'wd1', '--set', 'clip_high=0.3'], /^wd1 does not use clip_high = 0\.3, /],
    [
      [...tune, '--objective', 'dtm', '--set', 'lr_schedule=linear'],
      /^dtm restarts the learning rate schedule every tilt_steps/,
    ],
    [
      [...tune, '--set', 'adapter=lora', '--set', 'optimizer=muon'],
      /^Setting optimizer = muon trains the layers' proj/,
    ],
    [[...tune, '--objective', 'dispo', '--set', 'inner=ppo'], /^Unknown objective ppo; the objectives are /],
    [
      [...tune, '--objective', 'dispo', '--set', 'inner=dispo'],
      /^Setting inner = "dispo": dispo needs another objective/,
    ],
    [
      [...tune, '--objective', 'dispo', '--set', 'inner=vrpo', '--set', 'reference=none'],
      /^vrpo needs a reference policy/,
    ],
    [[...tune, '--set', 'temperature=0'], /^Setting temperature = 0 makes all completions of a group equal/],
    [[...tune, '--set', 'nosuch=1'], /^Unknown setting nosuch; the settings are prompts_per_step, /],
    [[...tune, '--set', 'steps'], /^--set steps: write it as NAME=VALUE/],
    [[...tune, '--set', 'reward=nosuch'], /^Unknown reward nosuch of sudoku4x4; it has reference, rules/],
    [[...tune, '--set', 'task_options={"empty":99}'], /empty/],
    [
      [...tune, '--set', 'block=2', '--set', 'decoding_steps=3'],
      /^Decoding 16 tokens in blocks of 2 needs at least 8 steps/,
    ],
    [[...evaluate, '--set', 'block=2', '--set', 'decoding_steps=3'], /^Decoding 16 tokens in blocks of 2 needs/],
    [[...evaluate, '--set', 'temperature=-1'], /^Setting temperature must be at least 0, not -1/],
    [[...tune, '--config', 'list.json'], /must hold a JSON object of settings/],
    [[...tune, '--config', 'unknown.json'], /^Unknown setting nosuch/],
    [['tune', '--task', 'gsm8k', '--model', 'tiny'], /^gsm8k has no problems of its own; give a file with --data/],
    [['eval', '--task', 'math', '--model', 'tiny'], /^math has no problems of its own; give a file/],
    [
      ['tune', '--resume', 'some', '--steps', '9'],
      /^--resume continues a run with its original options; leave out --steps/,
    ],
    [['tune', '--resume', 'some', '--model', 'tiny'], /leave out --model/],
    [['tune', '--resume', 'some', '--seed', '0'], /leave out --seed/],
    [['tune', '--resume', 'some', '--runs', '.', '--test', '8'], /leave out --test/],
    [['tune', '--resume', 'some', '--objective', 'd1'], /leave out --objective/],
    [['tune', '--resume', 'some', '--workspace', '.'], /leave out --workspace/],
    [['tune', '--resume', 'some', '--set', 'kl=0'], /leave out --set/],
    [['eval', '--resume', 'some', '--samples', '4', '--json'], /leave out --samples/],
    [['eval', '--resume', 'some', '--test-command', 'true'], /leave out --test-command/],
    [['pretrain', '--resume', 'some', '--from', 'tiny', '--steps', '9'], /leave out --from/],
    [['pretrain', '--recipe', 'puzzles'], /needs --recipe and --model, or --resume/],
    [['pretrain', '--recipe', 'nosuch', '--model', 'm'], /^Unknown recipe nosuch; the recipes are puzzles/],
    [['pretrain', '--recipe', 'puzzles', '--model', 'tiny'], /tiny is not empty; choose another folder/],
    [['pretrain', '--recipe', 'puzzles', '--model', 'm', '--set', 'preset=huge'], /^There is no preset huge/],
    [['runs', 'fly'], /^Unknown action fly; the actions are list, pause, resume, stop, delete/],
    [['runs', 'pause'], /^unmask runs pause needs the name of a run/],
    [['logits', '--model', 'tiny', '--tokens', '4,99'], /^--tokens: 99 is not a token id from 0 to 22/],
    [['logits', '--model', 'tiny', '--tokens', '4,,5'], /^--tokens: an empty place is not a token id/],
    [['loss', '--objective', 'ppo', '--model', 'tiny', '--case', 'x'], /^Unknown objective ppo/],
    [
      ['loss', '--objective', 'vrpo', '--model', 'tiny', '--case', 'case.json'],
      /^vrpo depends on more than masks and rewards/,
    ],
    [['score', '--task', 'math', '--file', 'x', '--format', 'xml'], /argument 'xml' is invalid/],
  ];
  for (const [args, message] of cases)
    it(`unmask ${args.join(' ')}`, async () => {
      assert.match(await refusal(args, 2), message);
    });

  it('unmask without a command', async () => {
    const { code, stdout, stderr } = await unmask([]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /Commands:[\s\S]*unmask: no known command was given/);
  });
});

describe('a failure ends with code 1 and an error message', () => {
  const cases: readonly [args: readonly string[], message: RegExp][] = [
    [['eval', '--task', 'sudoku4x4', '--model', 'nosuch'], /^There is no model nosuch; choose one of .*tiny/],
    [['logits', '--model', '.', '--tokens', '1'], /holds no config\.json, so it is not a model/],
    [[...tune, '--config', 'broken.json'], /^broken\.json is not valid JSON/],
    [[...tune, '--config', 'nowhere.json'], /^nowhere\.json does not exist/],
    [[...tune, '--data', 'nowhere.jsonl'], /nowhere\.jsonl does not exist/],
    [[...tune, '--set', 'length=50'], /^A text of 67 tokens is longer than the model's 64/],
    [[...evaluate, '--set', 'length=50', '--limit', '1'], /^A text of 67 tokens is longer than the model's 64/],
    [[...evaluate, '--limit', '1', '--runs', 'list.json'], /^Cannot write .*list\.json \(EEXIST: .*\); check the path/],
    [['discover', '--workspace', 'nowhere'], /^The workspace nowhere does not exist/],
    [['discover', '--workspace', 'broken.json'], /^The workspace broken\.json is not a folder/],
    [['tune', '--task', 'workspace', '--workspace', 'nowhere'], /^The workspace nowhere does not exist/],
    [['pretrain', '--recipe', 'puzzles', '--model', 'm', '--from', 'nosuch'], /^There is no model nosuch/],
    [['pretrain', '--recipe', 'puzzles', '--model', 'm', '--from', 'tiny'], /has the hidden_size 8, but the recipe/],
    [['runs', 'stop', 'nosuch'], /^There is no run nosuch in /],
    [['tune', '--resume', 'nosuch'], /^There is no run nosuch in /],
    [['pretrain', '--resume', 'nosuch', '--steps', '9', '--engine', 'onnx'], /^There is no run nosuch in /],
    [['loss', '--objective', 'spg-eubo', '--model', 'tiny', '--case', 'nowhere.json'], /^nowhere\.json does not exist/],
    [
      ['loss', '--objective', 'spg-eubo', '--model', 'tiny', '--case', 'list.json'],
      /^list\.json: the case must be an object/,
    ],
  ];
  for (const [args, message] of cases)
    it(`unmask ${args.join(' ')}`, async () => {
      assert.match(await refusal(args, 1), message);
    });

  it('names the missing, truncated or foreign file in a model folder', async () => {
    const spoilt = path.join(home, 'spoilt');
    const file = path.join(spoilt, 'model.safetensors');
    const args = ['logits', '--model', spoilt, '--tokens', '4'];
    await writeTinyCheckpoint(spoilt);
    await rm(file);
    assert.equal(await refusal(args, 1), `${file} does not exist; check the path.`);
    await writeFile(file, 'not a tensor in sight');
    assert.match(await refusal(args, 1), /^.*model\.safetensors is not a whole safetensors file \(.*\)/);
    await writeTinyCheckpoint(spoilt, { hidden_size: 16 });
    await writeFile(path.join(spoilt, 'config.json'), JSON.stringify({ model_type: 'mamba' }));
    assert.match(await refusal(args, 1), /config\.json: model_type "mamba" is not supported/);
  });

  it('leaves no run directory behind', async () => {
    assert.equal((await unmask(['runs', 'list'])).stdout.startsWith('No runs in '), true);
  });
});
