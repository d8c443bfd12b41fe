-- Who might route by a field was whoever was trusted: a registry that is older goes on so until it is told otherwise.
INSERT INTO `meta` (`key`, `value`) SELECT 'older_than', 'selector_from' WHERE EXISTS (SELECT 1 FROM `meta` WHERE `key` = 'id');
