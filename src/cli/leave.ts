/** Ends the command at once. What that needs of the C library is loaded only then: a command that ends by itself starts without it. */
export async function leave(code: number): Promise<never> {
  const { leave: leaveNow } = await import('../drivers/linux/leave.ts');
  return leaveNow(code);
}
