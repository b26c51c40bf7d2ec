/** Something that reads what programs or people outside made. */
export interface OutsideParser {
  readonly name: string;
  /** Valid inputs, which are mutated. */
  readonly examples: readonly Buffer[];
  /** Reads an input. Returns a value, or throws a `UserError` that names the error in the input. */
  parse(input: Buffer): unknown;
}
