// Decrypts the workbook named first with the passphrase on standard input, into the file named second.
const fs = require("fs");
const office = require("officecrypto-tool");

const [from, to] = process.argv.slice(2);
const password = fs.readFileSync(0, "utf8");
office.decrypt(fs.readFileSync(from), { password }).then(
  (plain) => fs.writeFileSync(to, plain),
  (error) => {
    console.error(String(error));
    process.exit(1);
  },
);
