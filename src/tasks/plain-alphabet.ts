/**
 * Every character that plain prompts and plain answers of the generated tasks use, for the tokenizer of a small
 * character model: digits, `,` between numbers, `=` before a target, `:` between prompt and answer, and the operators.
 */
export const plainAlphabet = '0123456789,=:+-*/()';
