CREATE TABLE `shipped` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`version` text NOT NULL,
	`digest` text NOT NULL,
	`bytes` integer NOT NULL,
	`entries` integer NOT NULL,
	`at` integer NOT NULL,
	`actor` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `shipped_name` ON `shipped` (`service`,`version`);