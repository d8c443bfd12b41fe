ALTER TABLE `instances` ADD `other` text;--> statement-breakpoint
ALTER TABLE `instances` ADD `release` text;--> statement-breakpoint
ALTER TABLE `instances` ADD `deployed` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `instances` ADD `deployed_after` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE `instances` SET `deployed` = `seq`;